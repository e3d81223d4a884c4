import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evidence.study import Study
from planning import layout
from rendering import labels
from rendering.drawing import WIDTH

TITLE = "Version 2, Figure 4. Gate scores without and with a suffix"
CAPTION = """**Version 2, Figure 4.** Mean gate score of every expert of the target layer over the attacked questions'
tokens, without and with the suffix. Dashed: the selected expert."""
READS = ("ATTACK",)
KEYS = ("models", "benchmarks", "methods", "scopes", "attacks")
ATTACKS_BY_PROMPTS = True
FIRST_SEED_ONLY = True
SIGNS = {"without": ("o", "C0", "without suffix"), "with": ("x", "C1", "with the suffix")}


def figure(study: Study) -> Figure:
    """Mean gate score of every expert over the attacked questions' tokens, without and with suffixes; one panel a cell
    and layer. The line marks a selected expert; the title says its rank and score before and after."""
    shown = [(cell, name) for cell in study.cells() for name in study.block["attacks"]]
    panels = [panel for cell, name in shown for panel in of_cell(study, cell, name)]
    size = (WIDTH, 0.45 + 1.85 * len(panels))
    drawn, grid = plt.subplots(len(panels), 1, figsize=size, squeeze=False)
    for axes, (title, scores) in zip(grid[:, 0], panels, strict=True):
        for when, (marker, colour, label) in SIGNS.items():
            axes.plot(range(len(scores[when])), scores[when], marker, color=colour, label=label, fillstyle="none")
        moves = []
        for expert in scores["experts"]:
            axes.axvline(expert, color="0.35", linewidth=0.9, linestyle="--", zorder=1)
            ranks = [f"rank {rank(scores[when], expert)} ({scores[when][expert]:.3f})" for when in SIGNS]
            moves.append(f"expert {expert}: {' → '.join(ranks)}")
        axes.set_title("\n".join([title, *moves]), loc="left")
        axes.set_ylabel("Mean gate score")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    grid[-1, 0].set_xlabel("Expert (dashed: selected)")
    handles, names = grid[0, 0].get_legend_handles_labels()
    drawn.legend(handles, names, loc="outside lower center", ncols=2)
    return drawn


def of_cell(study: Study, cell: tuple, attack: str) -> list[tuple[str, dict]]:
    """(title, scores) of each layer with selected experts."""
    (seed,) = study.seeds
    affinity = study.read(layout.ATTACK, cell, seed, "affinity", attack=attack)
    if not affinity:
        raise SystemExit(f"config, figures: v2_figure4: scopes: {cell[3]} selects no expert")
    where = f"{labels.group(study.settings, *cell[:2])}, {labels.method_and_scope(*cell[2:])}"
    where += " (collapsed)" if study.read(layout.ATTACK, cell, seed, "collapsed", attack=attack) else ""
    return [(f"{where}, layer {layer}", scores) for layer, scores in sorted(affinity.items())]


def rank(scores: list[float], expert: int) -> int:
    """Place of an expert by score, 1 for the highest; ties go to the lower index, as in the selection."""
    return 1 + sorted(range(len(scores)), key=lambda other: (-scores[other], other)).index(expert)
