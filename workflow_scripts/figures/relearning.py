import matplotlib.pyplot as plt
import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from evidence import attacks
from evidence.study import Study
from evidence.summary import mean_and_error
from rendering import labels
from rendering.drawing import LINES, WIDTH

TITLE = "Relearning: how soon FA rises"
CAPTION = """**Relearning.** FA against steps of fine-tuning on a few forget texts, from the checkpoint that the tables
show: each method alone and with UOE, and the model that was pre-trained without the forget set. Bands: one standard
error over seeds. A cross marks a model that has collapsed."""
READS = ("ATTACK", "RETRAINED_ATTACK")
KEYS = ("models", "benchmarks", "methods", "scopes", "attacks")
CROSS = {"marker": "x", "color": "black", "markersize": 5, "linestyle": "none"}


def figure(study: Study) -> Figure:
    """A column a benchmark, a row a method; colours are models, line styles scopes."""
    benchmarks, methods = study.block["benchmarks"], study.block["methods"]
    size = (WIDTH, 1.0 + 1.2 * len(methods))
    drawn, grid = plt.subplots(len(methods), len(benchmarks), figsize=size, sharex=True, sharey=True, squeeze=False)
    broken = False
    for row, method in zip(grid, methods, strict=True):
        for axes, benchmark in zip(row, benchmarks, strict=True):
            broken |= panel(axes, study, benchmark, method)
        row[0].set_ylabel(f"{labels.method(method)}: FA")
    for axes, benchmark in zip(grid[0], benchmarks, strict=True):
        axes.set_title(labels.benchmark(benchmark))
    drawn.supxlabel("Steps of fine-tuning on forget text", fontsize="medium")
    names = ["alone" if scope == "baseline" else f"with {labels.scope(scope)}" for scope in study.block["scopes"]]
    signs = [
        Line2D([], [], color=f"C{i}", linestyle=LINES[k], label=f"{labels.model(study.settings, model)} {name}")
        for i, model in enumerate(study.block["models"])
        for k, name in enumerate([*names, "retrained"])
    ]
    signs += [Line2D([], [], label="collapsed", **CROSS)] * broken
    drawn.legend(handles=signs, loc="outside upper center", ncols=2)
    return drawn


def panel(axes: Axes, study: Study, benchmark: str, method: str) -> bool:
    """Draws one; returns whether something in it has collapsed."""
    attack, broken = attacks.of_block(study), False
    for i, model in enumerate(study.block["models"]):
        cells = [(model, benchmark, method, scope) for scope in study.block["scopes"]]
        for k, cell in enumerate([*cells, (model, benchmark)]):
            if len(cell) == 2 and benchmark not in study.settings["retrained"]:
                continue
            curves = attacks.curves(study, cell, attack)
            points = [mean_and_error([curve[step] for curve in curves], [0.0]) for step in curves[0]]
            means, errors = map(numpy.array, zip(*points, strict=True))
            axes.plot(list(curves[0]), means, color=f"C{i}", linestyle=LINES[k], linewidth=1.0)
            axes.fill_between(list(curves[0]), means - errors, means + errors, color=f"C{i}", alpha=0.2, linewidth=0)
            if attacks.collapsed(attacks.results(study, cell, attack)):
                axes.plot([max(curves[0])], [means[-1]], **CROSS)
                broken = True
    axes.set_ylim(0, 1.03)
    return broken
