"""What figures share. Colours are always doubled by a marker or a line style."""

from collections.abc import Callable
from statistics import fmean

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evidence.study import Study
from evidence.summary import mean_and_error
from rendering import labels

WIDTH = 3.3  # inches: a column
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
UNIFORM = {"color": "0.35", "linewidth": 0.9, "linestyle": "--", "zorder": 1}
INTEGERS = {"nbins": 7, "integer": True, "steps": [1, 2, 5, 10]}  # ticks


def panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    """Panels one below the other, each `height` inches."""
    figure, grid = plt.subplots(count, figsize=(WIDTH, 0.45 + height * count), sharex=count > 1, squeeze=False)
    return figure, list(grid[:, 0])


def collapsed_steps(study: Study, cell: tuple[str, str, str, str]) -> set[int]:
    """Steps at which the cell has collapsed, in any seed."""
    checkpoints = [checkpoint for seed in study.seeds for checkpoint in study.metrics(cell, seed)]
    return {checkpoint["step"] for checkpoint in checkpoints if checkpoint["collapsed"]}


def curve(axes: Axes, study: Study, cell: tuple, measure: Callable[[dict], float], index: int, label: str) -> None:
    """One curve over the probes that all seeds have; with several seeds a band of one standard error over them. A cross
    marks each step at which a seed's checkpoint has collapsed."""
    runs = [study.trajectory(cell, seed) for seed in study.seeds]
    broken = collapsed_steps(study, cell)
    steps = sorted(set.intersection(*({probe["step"] for probe in run["probes"]} for run in runs)))
    at = [{probe["step"]: measure(probe) for probe in run["probes"]} for run in runs]
    points = [mean_and_error([values[step] for values in at], [0.0]) for step in steps]
    means, errors = zip(*points, strict=True)
    axes.plot(steps, means, color=f"C{index}", marker=MARKERS[index], linestyle=LINES[index], label=label)
    if crosses := [(step, mean) for step, mean in zip(steps, means, strict=True) if step in broken]:
        axes.plot(*zip(*crosses, strict=True), "x", color="black", markersize=8, markeredgewidth=0.8, label="collapsed")
    if len(runs) > 1:
        low, high = [m - e for m, e in points], [m + e for m, e in points]
        axes.fill_between(steps, low, high, color=f"C{index}", alpha=0.2, linewidth=0)


def overlap_against_steps(study: Study) -> Figure:
    """Mean overlap over MoE layers, a fraction, against steps: one curve a cell."""
    figure, axes = plt.subplots()
    for i, cell in enumerate(study.cells()):
        name = labels.scope(cell[3]) if len(study.rows()) > 1 else labels.group(study.settings, *cell[:2])
        curve(axes, study, cell, lambda probe: fmean(probe["overlap"].values()), i, name)
    axes.set_xlabel("Unlearning steps")
    axes.set_ylabel("Expert selection overlap")
    axes.set_ylim(0, 1.05)
    axes.xaxis.set_major_locator(MaxNLocator(**INTEGERS))
    entries = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=2)
    return figure


def last_until(entries: list[dict], step: int) -> dict:
    """The last of `entries` at or before `step`; the first one if all lie after it."""
    until = [entry for entry in entries if entry["step"] <= step]
    return max(until, key=lambda entry: entry["step"], default=entries[0])
