import math

import pandas

from benchmarks.curve import FROM, TO
from evidence import curves
from evidence.intervals import PerSeed, average, interval
from evidence.study import CELL, Study
from rendering import labels, notes
from rendering.table import Table, bracketed, flat

TITLE = "Utility with and without UOE at equal forgetting"
CAPTION = """**At equal forgetting.** What UOE keeps more than each method alone where both have forgotten equally much:
differences of Keep at four values of Left, and of kept utility; with intervals, paired by seed."""
READS = ("CHOSEN",)
LEFT = (0.75, 0.5, 0.25, 0.1)
HEADS = ("Model", "Method", *(f"Left {left:g}" for left in LEFT), "Kept utility", "Span of both")
KEYS_OF = {left: f"keep_{round(100 * left)}" for left in LEFT}
NOTE = (
    "Keep (share of the utility kept) with UOE less alone, each read off its run where Left (share of the knowledge "
    "left) falls to the value above; –: one of the runs does not get there in every seed, or falls too far between two "
    "checkpoints. Kept utility: the same averaged over all of Left from .9 to .1 that both reached, which is the span "
    "(see table trade_off). Bold: the interval excludes 0."
)


def table(study: Study) -> Table:
    cells = [cell for cell in study.cells() if cell[3] != "baseline"]
    differences = {cell: compare(study, cell) for cell in cells}
    rows = [row(cell, found) for cell, found in differences.items()]
    columns = list(zip(*differences.values(), strict=True))
    means = [average(found) if (found := [one for one in column if one]) else None for column in columns]
    rows.append(row(("mean of those compared", "", "", cells[0][3]), means))
    frame = pandas.DataFrame(rows)
    every = [*differences.values(), means]
    texts = pandas.DataFrame([text_of(study, *pair) for pair in zip(rows, every, strict=True)], columns=list(HEADS))
    wide = flat(texts)
    for head, name in zip(HEADS[2:-1], [*KEYS_OF.values(), "kept"], strict=True):
        sure = ((frame[f"{name}_low"] > 0) | (frame[f"{name}_high"] < 0)).to_numpy()
        wide.styles.loc[sure, ("", head)] = "best"
    return Table(TITLE, frame, wide, [NOTE, notes.intervals(study.settings), notes.world(study.settings)])


def compare(study: Study, cell: tuple) -> list[PerSeed | None]:
    """Differences from the baseline: Keep at each value of Left, kept utility; and the span of the latter."""
    other = (*cell[:3], "baseline")
    pairs = [[curves.keep_at_left(study, one, left) for one in (cell, other)] for left in LEFT]
    return [None if None in pair else pair[0] - pair[1] for pair in pairs] + list(
        curves.difference(study, cell, other) or (None, None)
    )


def row(cell: tuple, found: list[PerSeed | None]) -> dict:
    """Numbers of the csv."""
    numbers = dict(zip(CELL, cell, strict=True))
    for name, one in zip([*KEYS_OF.values(), "kept"], found[:-1], strict=True):
        numbers[f"{name}_difference"] = one.mean if one else math.nan
        numbers[f"{name}_low"], numbers[f"{name}_high"] = interval(one) if one else (math.nan, math.nan)
    return numbers | {"span": found[-1].mean if found[-1] else math.nan}


def text_of(study: Study, numbers: dict, found: list[PerSeed | None]) -> list[str]:
    model, method = numbers["model"], "all that can be compared"
    if numbers["benchmark"]:
        model = labels.group(study.settings, model, numbers["benchmark"])
        method = labels.method_and_scope(numbers["method"], numbers["scope"])
    span = "" if math.isnan(numbers["span"]) else f"{numbers['span'] / (FROM - TO):.0%}"
    return [model, method, *(bracketed(one) if one else "–" for one in found[:-1]), span]
