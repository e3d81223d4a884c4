"""Tables of FA and UT: the values of each row, what the papers print beside them, which are best, red, collapsed.

FA = forget accuracy (lower is better), UT = utility; both are fractions between 0 and 1.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import pandas

from evidence import published, results
from rendering import labels, notes

HEAVY_LOSS = 0.10  # the papers print a utility in red when it lies more than 10 points below the pretrained model's
ORIGINAL, RETRAINED = "Pretrained", "Retrained"


@dataclass(frozen=True)
class Table:
    """What is printed. `frame` is tidy, one row per printed value (columns: see `VALUE_COLUMNS`); `head` names the
    row labels.
    """

    name: str
    title: str
    head: str
    frame: pandas.DataFrame
    notes: list[str]


@dataclass(frozen=True)
class Row:
    """One row of a table: its method and scope, the rows that it is compared with, where the paper prints it."""

    label: str
    method: str
    scope: str
    compared: str
    published_in: str
    published_keys: dict


# by_seed: each seed's value, in the order of the study's seeds. compared: rows of one such group are compared for the
# best value. loss: pretrained UT - UT. marks: signs printed behind the value.
VALUE_COLUMNS = (
    *("row", "compared", "model", "stands_for", "benchmark", "method", "scope", "quantity"),
    *("value", "standard_error", "by_seed", "text", "n", "seeds", "published", "published_in"),
    *("loss", "heavy_loss", "published_heavy_loss", "best", "marks", "collapsed", "status", "steps"),
)


def score_table(
    name: str,
    title: str,
    head: str,
    root: Path,
    settings: dict,
    folder: Path,
    rows: list[Row],
    extra: list[str] | None = None,
    beside: list[dict] | None = None,
) -> Table:
    """A table of FA and UT for each model and benchmark, the pretrained model first; `beside` are more values of the
    same rows.
    """
    every_cell = results.summarise(results.read_chosen(root, settings))
    summary = results.pool_draws(every_cell) if every_cell["scope"].map(results.is_random).any() else every_cell
    at_threshold = settings["block"].get("choice") == "at_forget_accuracy"
    values = []
    for (model, benchmark), group in summary.groupby(["model", "benchmark"], sort=False):
        stands_for = settings["models"][model].get("stands_for") or ""
        place = {"model": model, "stands_for": stands_for, "benchmark": benchmark}
        least = settings.get("expected_to_know", {}).get(benchmark, {}).get("forget", 0.0)
        never_knew = "¶" if group.iloc[0]["fa0"] < least else ""
        values += _original_values(group.iloc[0], place, folder, name, never_knew)
        values += _retrained_values(group.iloc[0], place)
        for row in rows:
            for cell in group[(group["method"] == row.method) & (group["scope"] == row.scope)].to_dict("records"):
                values += _cell_values(row, cell, place, folder, at_threshold, never_knew)
    frame = tidy((beside or []) + values)
    _mark_heavy_losses(frame)
    _mark_best(frame, summary, at_threshold)
    return Table(name, title, head, frame, _notes(settings, summary, every_cell, frame, extra or []))


def _original_values(cell: pandas.Series, place: dict, folder: Path, name: str, marks: str) -> list[dict]:
    source = (
        name if name in ("table1", "table2", "table4", "table6") else ""
    )  # the others do not print the pretrained model
    found = []
    for quantity, short, column in (("FA", "fa", "forget_accuracy"), ("UT", "ut", "utility")):
        keys = {"model": place["stands_for"], "benchmark": place["benchmark"], "method": "original", "scope": "none"}
        printed = published.value(folder, source, column, **keys) if source else ""
        found.append(
            place
            | {
                "row": ORIGINAL,
                "compared": "",
                "method": "original",
                "scope": "none",
                "quantity": quantity,
                "value": cell[f"{short}0"],
                "standard_error": cell[f"{short}0_se"],
                "by_seed": _by_seed(cell[f"{short}0_seeds"]),
                "n": _counts(cell[f"{short}0_n"]),
                "seeds": cell["seeds"],
                "published": printed,
                "published_in": source if printed else "",
                "marks": marks,
            }
        )
    return found + _distance(place | {"row": ORIGINAL, "method": "original", "scope": "none"}, cell, "distance0")


def _retrained_values(cell: pandas.Series, place: dict) -> list[dict]:
    """FA and UT of the model that never read the forget set; none where the benchmark has no such model."""
    if math.isnan(cell["far"]):
        return []
    common = place | {"row": RETRAINED, "method": "retrained", "scope": "none", "seeds": cell["seeds"]}
    common["marks"] = results.dagger(cell["collapsedr"], cell["seeds"])
    return [
        common
        | {
            "quantity": quantity,
            "value": cell[f"{short}r"],
            "standard_error": cell[f"{short}r_se"],
            "n": _counts(cell[f"{short}_n"]),
        }
        for quantity, short in (("FA", "fa"), ("UT", "ut"))
    ]


def _distance(common: dict, cell: pandas.Series | dict, name: str) -> list[dict]:
    """Distance to the retrained model, where there is one."""
    if math.isnan(cell[name]):
        return []
    value = {"value": cell[name], "standard_error": cell.get(f"{name}_se", math.nan), "seeds": cell["seeds"]}
    return [common | {"quantity": "Distance"} | value]


def _cell_values(row: Row, cell: dict, place: dict, folder: Path, at_threshold: bool, never_knew: str) -> list[dict]:
    runs = len(cell["statuses"])
    draws = cell.get("draws", 1)
    marks = results.dagger(cell["collapsed"], runs)
    if "nothing measurable" in cell["statuses"]:
        marks += "§"
    marks += never_knew
    if draws == draws and draws > 1:  # NaN where no draws were pooled
        marks += "‡"
    common = place | {
        "row": row.label,
        "compared": row.compared,
        "method": row.method,
        "scope": row.scope,
        "seeds": cell["seeds"],
        "marks": marks,
        "collapsed": f"{cell['collapsed']}/{runs}",
        "status": _statuses(cell),
        "steps": _counts(cell["steps"]),
    }
    found = []
    for quantity, short, column in (("FA", "fa", "forget_accuracy"), ("UT", "ut", "utility")):
        keys = {"model": place["stands_for"], "benchmark": place["benchmark"]} | row.published_keys
        printed = published.value(folder, row.published_in, column, **keys)
        found.append(
            common
            | {
                "quantity": quantity,
                "value": cell[short],
                "standard_error": cell[f"{short}_se"],
                "by_seed": "" if "‡" in marks else _by_seed(cell[f"{short}_seeds"]),  # draws are averaged over
                "n": _counts(cell[f"{short}_n"]),
                "published": printed,
                "published_in": row.published_in if printed else "",
                "loss": cell["ut0"] - cell["ut"] if quantity == "UT" else float("nan"),
            }
        )
    found += _distance(common, cell, "distance")
    if at_threshold:
        found.append(common | {"quantity": "FA ≈ 0.25", "text": common["status"], "marks": ""})
    return found


def _by_seed(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.6g}" for value in values)


def _counts(values: tuple) -> str:
    return "/".join(map(str, dict.fromkeys(values)))


def _statuses(cell: dict) -> str:
    """One status, as in `reached`; where several runs differ, each with its count: `reached 2/3, overshot 1/3`."""
    runs = zip(cell["statuses"], cell["collapsed_runs"], strict=True)
    said = [f"{status}, collapsed" if collapsed and "collapsed" not in status else status for status, collapsed in runs]
    if len(set(said)) == 1:
        return said[0]
    return "; ".join(f"{status} {said.count(status)}/{len(said)}" for status in dict.fromkeys(said))


def tidy(values: list[dict]) -> pandas.DataFrame:
    defaults = dict.fromkeys(VALUE_COLUMNS, "")
    defaults |= {"value": float("nan"), "standard_error": float("nan"), "loss": float("nan")}
    defaults |= {"heavy_loss": False, "published_heavy_loss": False, "best": False}
    return pandas.DataFrame([defaults | value for value in values], columns=VALUE_COLUMNS)


def _mark_heavy_losses(frame: pandas.DataFrame) -> None:
    """Ours: loss > 10 points. The paper's: the same against the pretrained value that it prints in the same table."""
    frame["heavy_loss"] = frame["loss"].fillna(0.0) > HEAVY_LOSS + 1e-9
    utilities = frame[(frame["quantity"] == "UT") & (frame["published"] != "")]
    for _, group in utilities.groupby(["model", "benchmark"], sort=False):
        original = group[group["row"] == ORIGINAL]["published"]
        if not original.empty:
            losses = float(original.iloc[0]) - group["published"].astype(float)
            frame.loc[group.index, "published_heavy_loss"] = losses > HEAVY_LOSS + 1e-9


def _mark_best(frame: pandas.DataFrame, summary: pandas.DataFrame, at_threshold: bool) -> None:
    """Lowest FA (not below chance) and highest UT of the rows compared; neither collapsed nor unmeasurable rows take
    part.

    At FA ~ 0.25 only UT is compared, and only where that FA was reached.
    """
    chance = {(row.model, row.benchmark): row.fa_chance for row in summary.itertuples()}
    sound = ~frame["marks"].str.contains("[†§¶]") & ~frame["row"].isin((ORIGINAL, RETRAINED))
    if at_threshold:
        sound &= frame["status"] == "reached"
    for (model, benchmark, _, quantity), group in frame[sound].groupby(
        ["model", "benchmark", "compared", "quantity"], sort=False
    ):
        if quantity == "FA" and not at_threshold:
            floored = group["value"].clip(lower=chance[model, benchmark])
            frame.loc[group.index, "best"] = floored <= floored.min() + 1e-9
        elif quantity == "Distance" and not at_threshold:
            frame.loc[group.index, "best"] = group["value"] <= group["value"].min() + 1e-9
        elif quantity == "UT":
            frame.loc[group.index, "best"] = group["value"] >= group["value"].max() - 1e-9


def _notes(
    settings: dict, summary: pandas.DataFrame, every_cell: pandas.DataFrame, frame: pandas.DataFrame, extra: list[str]
) -> list[str]:
    bold = notes.BOLD[settings["block"].get("choice", "balance")]
    measures = notes.OWN_MEASURES if settings["world"] == "own_text" else notes.MEASURES
    said = [measures, notes.world(settings), notes.rule(settings)]
    said += [notes.errors(settings), notes.question_counts(settings, summary), bold, notes.RED]
    if (frame["row"] == RETRAINED).any():
        said.append(notes.RETRAINED)
    marks = "".join(frame["marks"])
    said += [text for sign, text in (("†", notes.DAGGER), ("§", notes.NOTHING)) if sign in marks]
    if "¶" in marks:
        said.append(notes.never_knew(settings))
    if "‡" in marks:
        said.append(_describe_draws(settings, summary))
    return said + extra + notes.cell_remarks(settings, every_cell)


def _describe_draws(settings: dict, summary: pandas.DataFrame) -> str:
    parts = []
    pooled = summary[summary["draws"] > 1]
    for row in pooled.itertuples():
        values = " and ".join(
            f"{name} {', '.join(f'{value:.3f}' for value in draws)}"
            for name, draws in (("FA", row.fa_draws), ("UT", row.ut_draws))
        )
        parts.append(f"{labels.group(settings, row.model, row.benchmark)} {values}")
    return f"‡ mean over {int(pooled['draws'].iloc[0])} random draws ± their standard deviation: {'; '.join(parts)}."
