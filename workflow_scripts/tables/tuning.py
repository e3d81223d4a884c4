import math

import pandas

from evidence.study import Study, field
from planning import layout
from rendering import labels, notes
from rendering.table import Table, flat

TITLE = "All that was tried in tuning"
CAPTION = """**Tuning.** Every learning rate that was tried, for every model, method and scope, on a seed that no other
table reports; chosen on the development half of the forget test and the utility test."""
READS = ("TUNING",)
KEYS = ("combinations",)
KEYS_TRIED = ("learning_rate", "step", "keep", "left", "collapsed")
NOTE = (
    "Learning rates, one grid of equal size for each method and scope, tried once a model on the tuning seed, which "
    "no other table reports. Each line is that rate's best checkpoint by Keep - Left on the development half (see "
    "Table 2); bold: the rate taken. † collapsed."
)


def table(study: Study) -> Table:
    """One line for each model, method, scope and learning rate; the chosen rate is bold."""
    frame = trials(study)
    texts = pandas.DataFrame({
        "Model": [labels.model(study.settings, model) for model in frame["model"]],
        "Method": [labels.method(method) for method in frame["method"]],
        "Trained": [labels.scope(scope) for scope in frame["scope"]],
        "Learning rate": [f"{rate:.0e}" for rate in frame["learning_rate"]],
        "Step": [str(step) for step in frame["step"]],
        labels.HEADS["FA"]: [f"{value:.3f}" for value in frame["fa"]],
        labels.HEADS["UT"]: [f"{value:.3f}" for value in frame["ut"]],
        "Keep": [share(value) for value in frame["keep"]],
        "Left": [share(value) for value in frame["left"]],
        "Keep - Left": [
            f"{share(keep - left)}{'†' if collapsed else ''}"
            for keep, left, collapsed in zip(frame["keep"], frame["left"], frame["collapsed"], strict=True)
        ],
    })  # fmt: skip
    key = list(zip(frame["model"], frame["method"], frame["scope"], strict=True))
    wide = flat(texts, starts=[i for i in range(1, len(key)) if key[i] != key[i - 1]])
    wide.styles.loc[frame["chosen"].to_numpy(), ("", "Learning rate")] = "best"
    return Table(TITLE, frame, wide, [NOTE, at_the_end(frame, study.settings), notes.world(study.settings)])


def trials(study: Study) -> pandas.DataFrame:
    rows = []
    for model, method, scope in study.block["combinations"]:
        place = {"model": model, "method": method, "scope": scope}
        path, best = study.path(layout.TUNING, **place), study.read(layout.TUNING, (), 0, "learning_rate", **place)
        for tried in study.read(layout.TUNING, (), 0, "tried", **place):
            row = place | {key: field(tried, path, key) for key in KEYS_TRIED}
            row |= {key: math.nan for key in ("keep", "left") if row[key] is None}  # nothing measurable
            row |= {name: number(field(tried, path, name)) for name in ("fa", "ut")}
            rows.append(row | {"chosen": row["learning_rate"] == best})
    return pandas.DataFrame(rows)


def number(score: dict | float) -> float:
    """A score may be a bare number or the evaluation's {"value": ...}."""
    return score["value"] if isinstance(score, dict) else score


def at_the_end(frame: pandas.DataFrame, settings: dict) -> str:
    """Which taken rates are the smallest or largest of their grid: a wider one might have held a better rate."""
    grids = frame.groupby(["model", "method", "scope"], sort=False)
    taken = []
    for (model, method, scope), grid in grids:
        rate = grid.loc[grid["chosen"], "learning_rate"].iloc[0]
        if rate in (grid["learning_rate"].min(), grid["learning_rate"].max()):
            end = "smallest" if rate == grid["learning_rate"].min() else "largest"
            taken.append(f"{labels.model(settings, model)} {labels.method(method)} {labels.scope(scope)} ({end})")
    if not taken:
        return "No rate taken lies at an end of its grid."
    return f"{len(taken)} of {len(grids)} rates taken lie at an end of their grid: {', '.join(taken)}."


def share(value: float) -> str:
    """Three decimals; a dash where nothing was measurable."""
    return "–" if math.isnan(value) else f"{value:.3f}"
