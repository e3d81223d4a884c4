"""Tables of FA and UT: the values of each row, and what the papers print beside them."""

import math
from dataclasses import dataclass

import pandas

from evidence.study import Study
from evidence.summary import chosen_frame, dagger, is_random, pool_draws, summarise
from rendering import labels, notes
from rendering.table import Table, tidy, tidy_table

PRINTED = {"fa": "forget_accuracy", "ut": "utility"}  # columns of the published values
HEAVY_LOSS = 0.10  # the papers print a utility in red when it lies more than 10 points below the pretrained model's
ORIGINAL, RETRAINED = "Pretrained", "Retrained"  # rows


@dataclass(frozen=True)
class Row:
    """One row of a table: its method and scope, the rows that it is compared with, where the paper prints it."""

    label: str
    method: str
    scope: str
    compared: str
    published_in: str
    published_keys: dict


def rows_of(study: Study, published_in: str, label=labels.method_and_scope, compared=None, keys=None) -> list[Row]:
    """A row for each method and scope of the block; the random draws are one row.

    label, compared, keys: functions of (method, scope); without them rows of one method are compared, and the papers'
    rows are named by method and scope.
    """
    compared = compared or (lambda method, scope: method)
    keys = keys or (lambda method, scope: {"method": method, "scope": scope})
    pairs = dict.fromkeys((method, "random" if is_random(scope) else scope) for method, scope in study.rows())
    return [Row(label(*pair), *pair, compared(*pair), published_in, keys(*pair)) for pair in pairs]


def score_table(study: Study, title: str, head: str, rows: list[Row], extra=(), beside=(), original_in="") -> Table:
    """A table of FA and UT for each model and benchmark, the pretrained model first. extra: further notes; beside: more
    values of the same rows; original_in: the published table, if any, that prints the pretrained model."""
    every_cell = summarise(chosen_frame(study))
    summary = pool_draws(every_cell)
    values = []
    for (model, benchmark), group in summary.groupby(["model", "benchmark"], sort=False):
        place = {"model": model, "stands_for": study.stands_for(model), "benchmark": benchmark}
        least = study.settings.get("expected_to_know", {}).get(benchmark, {}).get("forget", 0.0)
        never_knew = "¶" if group.iloc[0]["fa_original"] < least else ""
        values += _original_values(study, group.iloc[0], place, original_in, never_knew)
        values += _retrained_values(group.iloc[0], place)
        for row in rows:
            for cell in group[(group["method"] == row.method) & (group["scope"] == row.scope)].to_dict("records"):
                values += _cell_values(study, row, cell, place, never_knew)
    frame = tidy([*beside, *values])
    mark_heavy_losses(frame)
    mark_best(frame, summary, study.choice == "at_forget_accuracy")
    return tidy_table(study, title, head, frame, _notes(study.settings, summary, every_cell, frame, extra))


def _printed(study: Study, source: str, name: str, place: dict, keys: dict) -> dict:
    place = {"model": place["stands_for"], "benchmark": place["benchmark"]}
    text = study.printed(source, PRINTED[name], **place, **keys) if source else ""
    return {"published": text, "published_in": source if text else ""}


def _score(cell: pandas.Series | dict, name: str, of: str = "") -> dict:
    """FA or UT of a cell's checkpoint; of: "_original" or "_retrained" for that model's in its place."""
    value = {"quantity": labels.QUANTITIES[name][0], "value": cell[name + of], "standard_error": cell[f"{name}{of}_se"]}
    return value | {"n": _joined(cell[f"{name}_original_n" if of == "_original" else f"{name}_n"])}


def _original_values(study: Study, cell: pandas.Series, place: dict, source: str, marks: str) -> list[dict]:
    keys = {"method": "original", "scope": "none"}
    common = place | keys | {"row": ORIGINAL, "seeds": cell["seeds"]}
    values = [
        common
        | {"by_seed": _by_seed(cell[f"{name}_original_seeds"]), "marks": marks}
        | _score(cell, name, "_original")
        | _printed(study, source, name, place, keys)
        for name in PRINTED
    ]
    return values + _distance(common, cell, "distance_original")


def _retrained_values(cell: pandas.Series, place: dict) -> list[dict]:
    """FA and UT of the model that never read the forget set; none where the benchmark has no such model."""
    if math.isnan(cell["fa_retrained"]):
        return []
    common = place | {"row": RETRAINED, "method": "retrained", "scope": "none", "seeds": cell["seeds"]}
    common["marks"] = dagger(cell["collapsed_retrained"], cell["seeds"])
    return [common | _score(cell, name, "_retrained") for name in PRINTED]


def _distance(common: dict, cell: pandas.Series | dict, name: str) -> list[dict]:
    if math.isnan(cell[name]):
        return []
    value = {"value": cell[name], "standard_error": cell.get(f"{name}_se", math.nan)}
    return [common | {"quantity": labels.QUANTITIES["distance"][0]} | value]


def _cell_values(study: Study, row: Row, cell: dict, place: dict, never_knew: str) -> list[dict]:
    runs, draws = len(cell["statuses"]), cell.get("draws", 1)
    common = place | {"row": row.label, "compared": row.compared, "method": row.method, "scope": row.scope}
    common |= {"seeds": cell["seeds"], "collapsed": f"{cell['collapsed']}/{runs}", "steps": _joined(cell["steps"])}
    nothing = "§" * ("nothing measurable" in cell["statuses"])
    common["marks"] = dagger(cell["collapsed"], runs) + nothing + never_knew + "‡" * (draws > 1)
    common["status"] = _statuses(cell)
    values = []
    for name in PRINTED:
        value = common | _score(cell, name) | _printed(study, row.published_in, name, place, row.published_keys)
        value["by_seed"] = _by_seed(cell[f"{name}_seeds"])
        values.append(value)
    values[-1]["loss"] = cell["ut_original"] - cell["ut"]
    values += _distance(common, cell, "distance")
    if study.choice == "at_forget_accuracy":
        values.append(common | {"quantity": "FA ≈ 0.25", "text": common["status"], "marks": ""})
    return values


def _by_seed(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.6g}" for value in values)


def _joined(values: tuple) -> str:
    return "/".join(map(str, dict.fromkeys(values)))


def _statuses(cell: dict) -> str:
    """One status, as in `reached`; where several runs differ, each with its count: `reached 2/3, overshot 1/3`."""
    runs = zip(cell["statuses"], cell["collapsed_runs"], strict=True)
    each = [f"{status}, collapsed" if collapsed and "collapsed" not in status else status for status, collapsed in runs]
    if len(set(each)) == 1:
        return each[0]
    return "; ".join(f"{status} {each.count(status)}/{len(each)}" for status in dict.fromkeys(each))


def _notes(settings: dict, summary: pandas.DataFrame, every_cell: pandas.DataFrame, frame, extra) -> list[str]:
    at_forget_accuracy = settings["block"].get("choice") == "at_forget_accuracy"
    bold = notes.BOLD_AT_FORGET_ACCURACY if at_forget_accuracy else notes.BOLD
    measures = notes.OWN_MEASURES if settings["world"] == "own_text" else notes.MEASURES
    texts = [measures, notes.world(settings), notes.rule(settings)]
    texts += [notes.forget_text(settings)] if "forget_tokens" in settings else []
    texts += [notes.errors(settings), notes.question_counts(settings, summary), bold, notes.RED]
    texts += [notes.RETRAINED] * (RETRAINED in set(frame["row"]))
    marks = "".join(frame["marks"])
    texts += [text for sign, text in (("†", notes.DAGGER), ("§", notes.NOTHING)) if sign in marks]
    texts += [notes.never_knew(settings)] if "¶" in marks else []
    texts += [notes.random_draws(settings, summary)] if "‡" in marks else []
    return [*texts, *extra, *notes.cell_notes(settings, every_cell)]


def mark_heavy_losses(frame: pandas.DataFrame) -> None:
    """Ours: loss > 10 points. The paper's: the same against the pretrained value that it prints in the same table."""
    frame["heavy_loss"] = frame["loss"].fillna(0.0) > HEAVY_LOSS + 1e-9
    utilities = frame[(frame["quantity"] == "UT") & (frame["published"] != "")]
    for _, group in utilities.groupby(["model", "benchmark"], sort=False):
        original = group[group["row"] == ORIGINAL]["published"]
        if not original.empty:
            losses = float(original.iloc[0]) - group["published"].astype(float)
            frame.loc[group.index, "published_heavy_loss"] = losses > HEAVY_LOSS + 1e-9


def mark_best(frame: pandas.DataFrame, summary: pandas.DataFrame, at_threshold: bool) -> None:
    """Lowest FA (not below chance) and highest UT of the rows compared; neither collapsed nor unmeasurable rows take
    part. At FA ~ 0.25 only UT is compared, and only where that FA was reached."""
    chance = {(row.model, row.benchmark): row.fa_chance for row in summary.itertuples()}
    sound = ~frame["marks"].str.contains("[†§¶]") & ~frame["row"].isin((ORIGINAL, RETRAINED))
    if at_threshold:
        sound &= frame["status"] == "reached"
    keys = ["model", "benchmark", "compared", "quantity"]
    for (model, benchmark, _, quantity), group in frame[sound].groupby(keys, sort=False):
        if quantity == "FA" and not at_threshold:
            floored = group["value"].clip(lower=chance[model, benchmark])
            frame.loc[group.index, "best"] = floored <= floored.min() + 1e-9
        elif quantity == "Distance" and not at_threshold:
            frame.loc[group.index, "best"] = group["value"] <= group["value"].min() + 1e-9
        elif quantity == "UT":
            frame.loc[group.index, "best"] = group["value"] >= group["value"].max() - 1e-9
