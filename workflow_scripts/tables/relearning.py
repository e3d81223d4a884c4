from statistics import fmean

import numpy
import pandas

from evidence import attacks
from evidence.intervals import PerSeed, interval
from evidence.study import CELL, Study
from rendering import labels, notes
from rendering.table import Table, bracketed, flat

TITLE = "Relearning: how soon FA rises"
CAPTION = """**Relearning.** FA after so many steps of fine-tuning on a few forget texts: of each method alone and with
UOE, and of the model that was pre-trained without the forget set."""
READS = ("ATTACK", "RETRAINED_ATTACK")
KEYS = ("models", "benchmarks", "methods", "scopes", "attacks")
NOTE = (
    "From the checkpoint that the other tables show, on the half of the tests that it was not chosen on. Regained: FA "
    "less FA at step 0, mean over the steps tested. Less retrained: regained less what the retrained model gains by "
    "the same texts; bold: the interval excludes 0. † collapsed, before or after."
)


def table(study: Study) -> Table:
    attack, rows, texts = attacks.of_block(study), [], []
    for place in study.places():
        never = attacks.curves(study, place, attack) if place[1] in study.settings["retrained"] else None
        cells = [cell for cell in study.cells() if cell[:2] == place]
        for cell in [*cells, *([place] if never else [])]:
            row, text = row_of(study, cell, attack, never)
            rows.append(row)
            texts.append(text)
    frame = pandas.DataFrame(rows)
    starts = [i for i in range(1, len(rows)) if texts[i][0] != texts[i - 1][0]]
    heads = ["Model", "Trained", *(f"Step {step}" for step in steps_of(frame)), "Regained", "Less retrained"]
    wide = flat(pandas.DataFrame(texts, columns=heads), starts=starts)
    sure = ((frame["low"] > 0) | (frame["high"] < 0)).to_numpy()
    wide.styles.loc[sure, ("", "Less retrained")] = "best"
    return Table(TITLE, frame, wide, [NOTE, notes.intervals(study.settings), notes.world(study.settings)])


def steps_of(frame: pandas.DataFrame) -> list[str]:
    return [name.removeprefix("fa_") for name in frame if name.startswith("fa_")]


def row_of(study: Study, cell: tuple, attack: str, never: list[dict] | None) -> tuple[dict, list[str]]:
    """Numbers and texts of a cell, or of the retrained model of (model, benchmark). never: the latter's curves."""
    curves = attacks.curves(study, cell, attack)
    row = dict(zip(CELL, (*cell, "retrained", "")[:4], strict=True))
    row["collapsed"] = attacks.collapsed(attacks.results(study, cell, attack))
    row |= {f"fa_{step}": fmean(curve[step] for curve in curves) for step in curves[0]}
    own = per_seed(curves)
    row |= {"regained": own.mean, "difference": numpy.nan, "low": numpy.nan, "high": numpy.nan}
    less = own - per_seed(never) if never and len(cell) > 2 else None
    if less:
        row |= {"difference": less.mean} | dict(zip(("low", "high"), interval(less), strict=True))
    name = (labels.method_and_scope(*cell[2:]) if len(cell) > 2 else "retrained") + "†" * row["collapsed"]
    shown = [f"{row[f'fa_{step}']:.3f}" for step in curves[0]]
    head = labels.group(study.settings, *cell[:2])
    return row, [head, name, *shown, f"{own.mean:+.3f}", bracketed(less) if less else ""]


def per_seed(curves: list[dict]) -> PerSeed:
    return PerSeed(numpy.array([attacks.regained(curve) for curve in curves]))
