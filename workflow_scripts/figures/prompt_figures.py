"""Version 2's Figure 4: what a suffix does to the gate scores of the target layer."""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evidence.results import field
from jobs.files import read_json
from planning.needs import attack_path, cells
from rendering import labels

SIGNS = {"without": ("o", "C0", "without suffix"), "with": ("x", "C1", "with the suffix")}


def rank(scores: list[float], expert: int) -> int:
    """Place of an expert by score, 1 for the highest; ties go to the lower index, as in the selection."""
    return 1 + sorted(range(len(scores)), key=lambda other: (-scores[other], other)).index(expert)


def v2_figure4(root: Path, settings: dict) -> Figure:
    """Mean gate score of every expert over the attacked questions' tokens, without and with suffixes; one panel a cell
    and layer. The line marks a selected expert; the title says its rank and score before and after.
    """
    panels, (seed,) = [], settings["seeds"]
    for model, benchmark, method, scope in cells(settings["block"], settings["models"]):
        for name in settings["block"]["attacks"]:
            path = root / attack_path(model, benchmark, method, scope, seed, name)
            record = read_json(path)
            found = field(record, path, "affinity")
            if not found:
                raise SystemExit(f"config, figures: v2_figure4: scopes: {scope} selects no expert")
            where = f"{labels.group(settings, model, benchmark)}, {labels.method_and_scope(method, scope)}"
            where += " (collapsed)" if field(record, path, "collapsed") else ""
            panels += [(f"{where}, layer {layer}", scores) for layer, scores in sorted(found.items())]
    figure, grid = plt.subplots(len(panels), 1, figsize=(3.3, 0.45 + 1.85 * len(panels)), squeeze=False)
    for axes, (title, scores) in zip(grid[:, 0], panels, strict=True):
        for when, (marker, colour, label) in SIGNS.items():
            axes.plot(range(len(scores[when])), scores[when], marker, color=colour, label=label, fillstyle="none")
        said = []
        for expert in scores["experts"]:
            axes.axvline(expert, color="0.35", linewidth=0.9, linestyle="--", zorder=1)
            ranks = [f"rank {rank(scores[when], expert)} ({scores[when][expert]:.3f})" for when in SIGNS]
            said.append(f"expert {expert}: {' → '.join(ranks)}")
        axes.set_title("\n".join([title, *said]), loc="left")
        axes.set_ylabel("Mean gate score")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    grid[-1, 0].set_xlabel("Expert (dashed: selected)")
    handles, names = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2)
    return figure
