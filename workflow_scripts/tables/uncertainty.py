import math

import pandas

from evidence.answers import Answers
from evidence.intervals import average, interval
from evidence.matched import TOLERANCE, matched_steps
from evidence.study import CELL, TESTS, Study
from rendering import labels, notes
from rendering.table import Table, bracketed, flat

TITLE = "Utility with and without UOE at equal forgetting"
CAPTION = """**At equal forgetting.** Each method without and with UOE at checkpoints whose FA is the same within 5
points: differences of FA and UT with intervals, paired by seed."""
READS = ("METRICS", "PREDICTIONS")
HEADS = ("Model", "Pair", "FA alone", "FA UOE", "FA difference", "UT alone", "UT UOE", "UT difference")
NOTE = (
    "Two checkpoints are compared that have forgotten equally much: of all pairs of one seed whose FA differs by at "
    f"most {100 * TOLERANCE:g} points, none collapsed, the one that has forgotten most. Differences are UOE's less the "
    "unmodified method's; bold: the interval excludes 0. No common FA: no such pair, in at least one seed."
)


def table(study: Study) -> Table:
    cells = [cell for cell in study.cells() if cell[3] != "baseline"]
    pairs = {cell: compare(study, cell) for cell in cells}
    rows = [row(cell, scores) for cell, scores in pairs.items()]
    if compared := [scores for scores in pairs.values() if scores]:
        means = {key: average([scores[key] for scores in compared]) for key in compared[0] if key != "steps"}
        rows.append(row((f"mean of {len(compared)}", "", "", cells[0][3]), means | {"steps": ""}))
    frame = pandas.DataFrame(rows)
    texts = [NOTE, notes.intervals(study.settings), notes.world(study.settings)]
    return Table(TITLE, frame.drop(columns=list(HEADS[2:])), wide(frame, study), texts)


def compare(study: Study, cell: tuple) -> dict:
    """FA and UT of a cell and of its baseline where both have forgotten equally much, and the steps; {} if nowhere."""
    other = (*cell[:3], "baseline")
    steps = [matched_steps(study, cell, other, seed) for seed in study.seeds]
    if None in steps:
        return {}
    scores: dict = {"steps": " ".join(f"{own}/{theirs}" for own, theirs in steps)}
    for quantity in TESTS:
        for suffix, own, which in (("", cell, 0), ("_baseline", other, 1)):
            scores[quantity + suffix] = Answers(study).at(own, [pair[which] for pair in steps], quantity)
    return scores


def row(cell: tuple, scores: dict) -> dict:
    """Numbers of the csv, and the texts of HEADS."""
    numbers = dict(zip(CELL, cell, strict=True)) | {"steps": scores.get("steps", "")}
    texts = {}
    for quantity in TESTS:
        own, other = (scores.get(f"{quantity}{suffix}") for suffix in ("", "_baseline"))
        alone, with_uoe, difference = (f"{quantity.upper()} {word}" for word in ("alone", "UOE", "difference"))
        if own is None:
            numbers |= dict.fromkeys((f"{quantity}{end}" for end in ("", "_baseline", "_difference")), math.nan)
            numbers |= dict.fromkeys((f"{quantity}_low", f"{quantity}_high"), math.nan)
            texts |= {alone: "", with_uoe: "", difference: "no common FA"}
            continue
        less = own - other
        numbers |= {quantity: own.mean, f"{quantity}_baseline": other.mean, f"{quantity}_difference": less.mean}
        numbers[f"{quantity}_low"], numbers[f"{quantity}_high"] = interval(less)
        texts |= {alone: f"{other.mean:.3f}", with_uoe: f"{own.mean:.3f}", difference: bracketed(less)}
    return numbers | texts


def wide(frame: pandas.DataFrame, study: Study):
    names = []
    for row in frame.itertuples():
        known = row.model in study.models
        model = labels.group(study.settings, row.model, row.benchmark) if known else row.model
        names.append((model, labels.method_and_scope(row.method, row.scope) if known else "all compared"))
    texts = frame.assign(Model=[model for model, _ in names], Pair=[pair for _, pair in names])[list(HEADS)]
    looked_at = flat(texts)
    for quantity in TESTS:
        sure = (frame[f"{quantity}_low"] > 0) | (frame[f"{quantity}_high"] < 0)
        looked_at.styles.loc[sure, ("", f"{quantity.upper()} difference")] = "best"
    return looked_at
