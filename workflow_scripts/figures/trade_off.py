import matplotlib.pyplot as plt
import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.curve import Curve
from evidence import curves
from evidence.study import Study
from evidence.summary import mean_and_error
from rendering import labels
from rendering.drawing import LINES, WIDTH

TITLE = "Trade-off: utility kept while knowledge leaves"
CAPTION = """**Trade-off.** Keep (share of the utility that is kept) against Left (share of the knowledge that is left),
each method alone and with UOE; time runs to the right. Bands: one standard error over seeds. A curve ends where the
first seed's run ends. Kept utility (table trade_off) is the mean height between the dotted lines."""
READS = ("CHOSEN",)
GRID = numpy.linspace(1.0, 0.0, 101)  # Left


def figure(study: Study) -> Figure:
    """One column of panels a (model, benchmark), one row a method."""
    places, methods = study.places(), study.block["methods"]
    size = (WIDTH * len(places) / 2, 0.6 + 1.15 * len(methods))
    drawn, grid = plt.subplots(len(methods), len(places), figsize=size, sharex=True, sharey=True, squeeze=False)
    for i, method in enumerate(methods):
        for j, place in enumerate(places):
            panel(grid[i, j], study, (*place, method))
            if not i:
                grid[i, j].set_title(labels.group(study.settings, *place))
        grid[i, 0].set_ylabel(f"{labels.method(method)}: Keep")
    drawn.supxlabel("Left (knowledge leaves →)")
    signs = [
        Line2D(
            [],
            [],
            color=f"C{k}",
            linestyle=LINES[k],
            label="alone" if scope == "baseline" else f"with {labels.scope(scope)}",
        )
        for k, scope in enumerate(study.block["scopes"])
    ]
    drawn.legend(handles=signs, loc="outside upper center", ncols=len(signs))
    return drawn


def panel(axes: Axes, study: Study, run: tuple[str, str, str]) -> None:
    for k, scope in enumerate(study.block["scopes"]):
        found = [curves.of_run(study, (*run, scope), seed) for seed in study.seeds]
        lines = [on_grid(one) for one in found if one]
        points = [
            mean_and_error(list(values), [0.0])
            for values in zip(*lines, strict=True)
            if not any(map(numpy.isnan, values))
        ]
        if not points:
            continue
        means, errors = map(numpy.array, zip(*points, strict=True))
        left = GRID[: len(points)]
        axes.plot(left, means, color=f"C{k}", linestyle=LINES[k])
        axes.fill_between(left, means - errors, means + errors, color=f"C{k}", alpha=0.2, linewidth=0)
    for end in (0.9, 0.1):
        axes.axvline(end, color="0.6", linestyle=":", linewidth=0.7)
    axes.set_xlim(1, 0)
    axes.set_ylim(0, 1.03)


def on_grid(run: Curve) -> numpy.ndarray:
    """Keep at every value of GRID, NaN below the least Left: the running minimum of Left, straight in between."""
    points = [(1.0, 1.0), *((run.left[b], run.keep[b]) for _, b in run.falls())]
    left, keep = map(numpy.array, zip(*reversed(points), strict=True))
    return numpy.where(left[0] - 1e-9 <= GRID, numpy.interp(GRID, left, keep), numpy.nan)
