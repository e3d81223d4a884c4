"""Cases of claims on whole runs, no checkpoint chosen: kept utility of two cells over the span of Left that both
reached, and what is read off where Left falls to one value (benchmarks/curve.py).

A pair of runs without enough in common is left out whole, in all seeds: else the mean within a seed would mix other
pairs than that within the next. A collapsed checkpoint stays on its curve, where its Keep says it."""

from collections.abc import Callable

from benchmarks.curve import FROM
from claims.study import Case, ClaimStudy
from evidence import curves

LEAST_SPAN = 0.2  # length of Left, of the .8 from .9 to .1, that two runs must share in each seed


def kept(study: ClaimStudy, pairs: list[tuple[tuple, tuple]], least: float = LEAST_SPAN) -> list[Case]:
    """Kept utility of the first cell of each pair less that of the second."""
    firsts = [first for first, _ in pairs]
    cases = []
    for first, second in pairs:
        name = study.cell_name(first)
        if firsts.count(first) > 1:
            name += f" against {study.cell_name(second)}"
        cases.append(_compared(study, name, first, second, least))
    return cases


def _compared(study: ClaimStudy, name: str, first: tuple, second: tuple, least: float) -> Case:
    for cell in (first, second):
        if why := _still(study, cell):
            return Case(name, None, why=why)
    found = curves.difference(study.results, first, second)
    if found is None:
        return Case(name, None, why="no common span")
    values, spans = found
    if spans.values.min() < least - 1e-9:
        return Case(name, None, why=f"common span {spans.values.min():.2f}")
    return Case(name, values, span=spans.mean)


def _still(study: ClaimStudy, cell: tuple) -> str:
    """Why a cell's run has no curve between .9 and .1, in some seed; "" if it has one in all."""
    records = [curves.record(study.results, cell, seed) for seed in study.seeds]
    if None in records:
        return "nothing measurable"
    return f"{study.cell_name(cell)} forgets nothing" if max(r["lowest"] for r in records) > FROM else ""


def where_left_falls(study: ClaimStudy, cells: list[tuple], left: float, read: Callable) -> list[Case]:
    """What is `read` of each cell where its Left falls to `left` (study's results, cell, left -> PerSeed or None)."""
    cases = []
    for cell in cells:
        values = read(study.results, cell, left)
        why = f"Left does not fall to {left:g}" if values is None else ""
        cases.append(Case(study.cell_name(cell), values, why=why))
    return cases


def overlap_gains(study: ClaimStudy, pairs: list[tuple[tuple, tuple]], left: float) -> list[Case]:
    """Overlap of the first cell of each pair less that of the second, each where its Left falls to `left`."""
    cases = []
    for cells in pairs:
        found = [curves.overlap_at_left(study.results, cell, left) for cell in cells]
        short = [study.cell_name(cell) for cell, one in zip(cells, found, strict=True) if one is None]
        why = f"Left of {' and '.join(short)} does not fall to {left:g}" if short else ""
        cases.append(Case(study.cell_name(cells[0]), None if short else found[0] - found[1], why=why))
    return cases
