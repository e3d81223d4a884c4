import matplotlib.pyplot as plt
import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.curve import FROM, TO, Curve
from evidence import curves
from evidence.study import Study
from evidence.summary import mean_and_error
from rendering import labels
from rendering.drawing import LINES, WIDTH

TITLE = "Trade-off: utility kept while knowledge leaves"
CAPTION = """**Trade-off.** Keep (share of the utility that is kept) against Left (share of the knowledge that is left):
each method alone and with UOE, time running to the right. Bands: one standard error over seeds. A curve ends where the
first of its seeds ends. Kept utility (table trade_off) is the mean height between the dotted lines."""
READS = ("CHOSEN",)
GRID = numpy.linspace(1.0, 0.0, 101)  # Left


def figure(study: Study) -> Figure:
    """A column a benchmark, a row a method; colours are models, line styles scopes."""
    benchmarks, methods, scopes = (study.block[key] for key in ("benchmarks", "methods", "scopes"))
    size = (WIDTH, 0.75 + 1.0 * len(methods))
    drawn, grid = plt.subplots(len(methods), len(benchmarks), figsize=size, sharex=True, sharey=True, squeeze=False)
    for row, method in zip(grid, methods, strict=True):
        for axes, benchmark in zip(row, benchmarks, strict=True):
            panel(axes, study, benchmark, method)
        row[0].set_ylabel(f"{labels.method(method)}: Keep")
    for axes, benchmark in zip(grid[0], benchmarks, strict=True):
        axes.set_title(labels.benchmark(benchmark))
    drawn.supxlabel("Left (knowledge leaves →)", fontsize="medium")
    signs = [
        Line2D([], [], color=f"C{i}", linestyle=LINES[k], label=label(study, model, scope))
        for i, model in enumerate(study.block["models"])
        for k, scope in enumerate(scopes)
    ]
    drawn.legend(handles=signs, loc="outside upper center", ncols=2)
    return drawn


def label(study: Study, model: str, scope: str) -> str:
    return f"{labels.model(study.settings, model)} {'alone' if scope == 'baseline' else f'with {labels.scope(scope)}'}"


def panel(axes: Axes, study: Study, benchmark: str, method: str) -> None:
    for i, model in enumerate(study.block["models"]):
        for k, scope in enumerate(study.block["scopes"]):
            found = [curves.of_run(study, (model, benchmark, method, scope), seed) for seed in study.seeds]
            band(axes, [on_grid(run) for run in found if run], f"C{i}", LINES[k])
    for end in (FROM, TO):
        axes.axvline(end, color="0.6", linestyle=":", linewidth=0.7)
    axes.set_xlim(1, 0)
    axes.set_ylim(0, 1.03)


def band(axes: Axes, runs: list[numpy.ndarray], colour: str, line: str) -> None:
    """Mean and standard error of Keep, as far as all runs got."""
    columns = [values for values in zip(*runs, strict=True) if not numpy.isnan(values).any()]
    if columns:
        means, errors = map(numpy.array, zip(*(mean_and_error(list(one), [0.0]) for one in columns), strict=True))
        left = GRID[: len(columns)]
        axes.plot(left, means, color=colour, linestyle=line, linewidth=1.0)
        axes.fill_between(left, means - errors, means + errors, color=colour, alpha=0.2, linewidth=0)


def on_grid(run: Curve) -> numpy.ndarray:
    """Keep at every value of GRID, NaN below the least Left: the running minimum of Left, straight in between."""
    points = [(1.0, 1.0), *((run.left[b], run.keep[b]) for _, b in run.falls())]
    left, keep = map(numpy.array, zip(*reversed(points), strict=True))
    return numpy.where(left[0] - 1e-9 <= GRID, numpy.interp(GRID, left, keep), numpy.nan)
