import math

import pandas

from evidence.study import Study, field
from planning import layout
from rendering import labels, notes
from rendering.table import Table, flat

TITLE = "All that was tried in tuning"
CAPTION = """**Tuning.** Every trial, for every model, benchmark, method and scope, on a seed that no other table
reports; the best by kept utility is taken."""
READS = ("TUNING",)
KEYS = ("combinations",)
NAMES = ("model", "benchmark", "method", "scope")
NOT_RUN = {"value": math.nan, "counted": math.nan, "lowest": math.nan, "step": 0, "ended": "not run"}
SETTINGS = ("learning_rate", "beta", "retain_weight", "steering")
NOTE = (
    "Trials on the tuning seed, which no other table reports: as many for every scope. Value: Keep averaged over Left "
    "from .9 to .1 (see table trade_off), what a trial did not reach counting nothing; a fall of Left of up to .5 "
    "between two scored checkpoints is counted. Got to: the least Left. Ended: reached Left .1; lost: it could not win "
    "any more if utility did not rise again; slow: over .9 is left after half of the steps; not run: nothing can "
    "be compared, the first values are taken; else it ran all steps. Bold: the trial taken."
)


def table(study: Study) -> Table:
    """One line a trial; the one taken is bold."""
    rows, edges = trials(study)
    frame = pandas.DataFrame(rows)
    shown = [name for name in SETTINGS if name in frame]
    texts = {
        "Model": [labels.group(study.settings, row["model"], row["benchmark"]) for row in rows],
        "Trained": [labels.method_and_scope(row["method"], row["scope"]) for row in rows],
    }
    heads = {name: name.replace("_", " ").capitalize() for name in shown}
    texts |= {head: [f"{row[name]:.3g}" if name in row else "" for row in rows] for name, head in heads.items()}
    texts |= {
        "Value ↑": ["–" if math.isnan(row["value"]) else f"{row['value']:.3f}" for row in rows],
        "Got to": ["–" if math.isnan(row["lowest"]) else f"{row['lowest']:.2f}" for row in rows],
        "Steps": [str(row["step"] or "–") for row in rows],
        "Ended": [row["ended"] for row in rows],
    }
    key = [tuple(row[name] for name in NAMES) for row in rows]
    wide = flat(pandas.DataFrame(texts), starts=[i for i in range(1, len(key)) if key[i] != key[i - 1]])
    for head in heads.values():
        wide.styles.loc[[row["chosen"] for row in rows], ("", head)] = "best"
    return Table(TITLE, frame, wide, [NOTE, at_the_edge(edges, study.settings), notes.world(study.settings)])


def trials(study: Study) -> tuple[list[dict], dict[tuple, list[str]]]:
    """One row a trial, and what of each combination's chosen settings lies at an edge of what was tried."""
    rows, edges = [], {}
    for combination in map(tuple, study.block["combinations"]):
        place = dict(zip(NAMES, combination, strict=True))
        path, tuned = study.path(layout.TUNING, **place), study.read(layout.TUNING, **place)
        chosen, edges[combination] = field(tuned, path, "chosen"), field(tuned, path, "edges")
        for tried in field(tuned, path, "tried") or [chosen | NOT_RUN]:
            row = place | {name: tried[name] for name in SETTINGS if name in tried}
            row |= {key: field(tried, path, key) for key in NOT_RUN}
            rows.append(row | {"chosen": all(tried[name] == value for name, value in chosen.items())})
    return rows, edges


def at_the_edge(edges: dict[tuple, list[str]], settings: dict) -> str:
    """Chosen values beyond which nothing was tried: a longer search might have found better ones."""
    found = [
        f"{labels.group(settings, model, benchmark)} {labels.method_and_scope(method, scope)}: {', '.join(of)}"
        for (model, benchmark, method, scope), of in edges.items()
        if of
    ]
    if not found:
        return "No setting taken lies at an edge of what was tried."
    return f"At an edge of what was tried in {len(found)} of {len(edges)} searches: {'; '.join(found)}."
