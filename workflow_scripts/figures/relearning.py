import matplotlib.pyplot as plt
import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evidence import attacks
from evidence.study import Study
from evidence.summary import mean_and_error
from rendering import labels
from rendering.drawing import LINES, MARKERS, WIDTH

TITLE = "Relearning: how soon FA rises"
CAPTION = """**Relearning.** FA against steps of fine-tuning on a few forget texts, from the checkpoint that the tables
show: each method alone and with UOE, and the model that was pre-trained without the forget set. Bands: one standard
error over seeds."""
READS = ("ATTACK", "RETRAINED_ATTACK")
KEYS = ("models", "benchmarks", "methods", "scopes", "attacks")


def figure(study: Study) -> Figure:
    """One column of panels a (model, benchmark), one row a method."""
    places, methods = study.places(), study.block["methods"]
    size = (WIDTH * len(places) / 2, 0.6 + 1.15 * len(methods))
    drawn, grid = plt.subplots(len(methods), len(places), figsize=size, sharex=True, sharey=True, squeeze=False)
    for i, method in enumerate(methods):
        for j, place in enumerate(places):
            panel(grid[i, j], study, place, method)
            if not i:
                grid[i, j].set_title(labels.group(study.settings, *place))
        grid[i, 0].set_ylabel(f"{labels.method(method)}: FA")
    drawn.supxlabel("Steps of fine-tuning on forget text")
    handles, names = grid[0, 0].get_legend_handles_labels()
    drawn.legend(handles, names, loc="outside upper center", ncols=len(names))
    return drawn


def panel(axes: Axes, study: Study, place: tuple, method: str) -> None:
    cells = {"alone" if scope == "baseline" else f"with {labels.scope(scope)}": (*place, method, scope)
             for scope in study.block["scopes"]}  # fmt: skip
    if place[1] in study.settings["retrained"]:
        cells["retrained"] = place
    for k, (name, cell) in enumerate(cells.items()):
        curves = attacks.curves(study, cell, study.block["attacks"][0])
        points = [mean_and_error([curve[step] for curve in curves], [0.0]) for step in curves[0]]
        means, errors = map(numpy.array, zip(*points, strict=True))
        look = {"color": f"C{k}", "linestyle": LINES[k], "marker": MARKERS[k], "markersize": 3}
        axes.plot(list(curves[0]), means, label=name, **look)
        axes.fill_between(list(curves[0]), means - errors, means + errors, color=f"C{k}", alpha=0.2, linewidth=0)
    axes.set_ylim(0, 1.03)
