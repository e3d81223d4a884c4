"""Runs as curves, from chosen.json: kept utility of a cell, and of two cells over what both reached."""

from statistics import fmean

import numpy

from benchmarks.curve import Curve, compared, keep_at, step_at
from evidence.intervals import PerSeed
from evidence.study import Study
from planning import layout


def record(study: Study, cell: tuple, seed: int) -> dict | None:
    """The entry `curve` of chosen.json: steps, left, keep, kept_utility, counted, lowest, largest_fall and, of tests
    with options, by_probability; None where nothing was measurable."""
    return study.read(layout.CHOSEN, cell, seed, "curve")


def of_run(study: Study, cell: tuple, seed: int) -> Curve | None:
    found = record(study, cell, seed)
    return found and Curve(tuple(found["steps"]), tuple(found["left"]), tuple(found["keep"]))


def difference(study: Study, first: tuple, second: tuple) -> tuple[PerSeed, PerSeed] | None:
    """Kept utility of the first cell less that of the second, over the span that both reached in each seed, and the
    length of that span; None if in some seed there is none."""
    values, spans = [], []
    for seed in study.seeds:
        runs = [of_run(study, cell, seed) for cell in (first, second)]
        if None in runs:
            return None
        own, other = compared(*runs)
        if own.value is None:
            return None
        values.append(own.value - other.value)
        spans.append(own.counted)
    return PerSeed(numpy.array(values)), PerSeed(numpy.array(spans))


def keep_at_left(study: Study, cell: tuple, left: float) -> PerSeed | None:
    """Keep where Left falls to `left`; None if some seed's run does not get there or falls too far."""
    runs = [of_run(study, cell, seed) for seed in study.seeds]
    values = [run and keep_at(run, left) for run in runs]
    return None if None in values else PerSeed(numpy.array(values))


def overlap_at(trajectory: dict, step: float) -> float:
    """Mean overlap over MoE layers at a step, straight between probes."""
    probes = trajectory["probes"]
    overlaps = [fmean(probe["overlap"].values()) for probe in probes]
    return float(numpy.interp(step, [probe["step"] for probe in probes], overlaps))


def overlap_at_left(study: Study, cell: tuple, left: float) -> PerSeed | None:
    """Mean overlap over MoE layers where Left falls to `left`, straight between probes; None as in `keep_at_left`."""
    values = []
    for seed in study.seeds:
        run = of_run(study, cell, seed)
        step = run and step_at(run, left)
        if step is None:
            return None
        values.append(overlap_at(study.trajectory(cell, seed), step))
    return PerSeed(numpy.array(values))
