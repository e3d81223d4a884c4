import math

import numpy
import pandas

from evidence import attacks
from evidence.intervals import PerSeed, average, interval
from evidence.study import CELL, Study
from rendering import labels, notes
from rendering.table import Table, bracketed, flat

TITLE = "Hidden or gone: tokens sent past the trained expert"
CAPTION = """**Hidden or gone.** FA and UT of every method with UOE, and of the same checkpoint when the router can't
choose the trained expert; as a control the untouched model without that expert."""
READS = ("ATTACK",)
KEYS = ("models", "benchmarks", "methods", "scopes", "attacks")
NOTE = (
    "From the checkpoint that the other tables show, on the half of the tests that it was not chosen on. Sent past: "
    "the router can't choose the experts that were trained, its next choices take over. Back: (FA sent past - FA) / "
    "(untouched FA - FA), the share of what was forgotten that is back; none where less than half had been forgotten. "
    "Control: FA of the untouched model when that expert adds nothing. Bold: the interval lies above 50 %. † "
    "collapsed, before or after."
)
HEADS = ("Model", "Trained", "FA untouched", "FA ↓", "FA sent past", "Back", "UT ↑", "UT sent past", "FA control")
FORGOTTEN = 0.5  # Left, at most


def table(study: Study) -> Table:
    found = [row_of(study, cell) for cell in study.cells()]
    backs = [back for _, back in found if back]
    rows = [row for row, _ in found]
    frame = pandas.DataFrame(rows)
    key = [row["model"] + row["benchmark"] for row in rows]
    texts = pandas.DataFrame([text_of(study, row, back) for row, back in found], columns=list(HEADS))
    wide = flat(texts, starts=[i for i in range(1, len(key)) if key[i] != key[i - 1]])
    wide.styles.loc[(frame["low"] > 0.5).to_numpy(), ("", "Back")] = "best"
    mean = "No row had forgotten half."
    if backs:
        mean = (
            f"Back, mean of the {len(backs)} of {len(rows)} rows that had forgotten half: {bracketed(average(backs))}."
        )
    texts = [NOTE, mean, notes.intervals(study.settings)]
    return Table(TITLE, frame, wide, [*texts, notes.world(study.settings)])


def row_of(study: Study, cell: tuple) -> tuple[dict, PerSeed | None]:
    """Means over seeds, and the share that is back."""
    past, control = (attacks.results(study, cell, attack) for attack in ("bypassed", "disabled"))
    places = {
        "fa_untouched": (past, "before", "fa_original"),
        "fa": (past, "before", "fa"),
        "fa_past": (past, "after", "fa"),
        "ut": (past, "before", "ut"),
        "ut_past": (past, "after", "ut"),
        "fa_control": (control, "after", "fa"),
    }
    row = dict(zip(CELL, cell, strict=True)) | {"collapsed": attacks.collapsed(past)}
    for name, (records, part, score) in places.items():
        row[name] = sum(record[part][score]["value"] for record in records) / len(records)
    forgotten = max(map(attacks.left, past)) <= FORGOTTEN
    back = PerSeed(numpy.array(list(map(attacks.share_back, past)))) if forgotten else None
    row |= dict.fromkeys(("back", "low", "high"), math.nan)
    if back:
        row |= {"back": back.mean} | dict(zip(("low", "high"), interval(back), strict=True))
    return row, back


def text_of(study: Study, row: dict, back: PerSeed | None) -> list[str]:
    names = [labels.group(study.settings, row["model"], row["benchmark"])]
    names.append(labels.method_and_scope(row["method"], row["scope"]) + "†" * row["collapsed"])
    forget, others = ("fa_untouched", "fa", "fa_past"), ("ut", "ut_past", "fa_control")
    before, after = ([f"{row[name]:.3f}" for name in part] for part in (forget, others))
    return [*names, *before, bracketed(back) if back else "–", *after]
