import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from evidence.study import Study
from evidence.summary import chosen_frame, summarise
from rendering import labels
from rendering.drawing import MARKERS, WIDTH

TITLE = "Figure 1a. What each method forgets against what it costs"
CAPTION = """**Figure 1a.** What each method forgets (drop of FA, up is better) against what it costs (drop of UT, left
is better), each at the checkpoint with the best balance and its tuned learning rate. Filled: MoE models; hollow: dense
models. Bars: one standard error. The best corner is the upper left."""
READS = ("CHOSEN",)


def figure(study: Study) -> Figure:
    summary = summarise(chosen_frame(study))
    models, methods = list(study.models), study.block["methods"]
    drawn, axes = plt.subplots(figsize=(WIDTH, 3.2))
    for row in summary.itertuples():
        colour = f"C{models.index(row.model)}"
        face = colour if study.models[row.model]["moe"] else "white"
        x, y = 100 * (row.ut_original - row.ut), 100 * (row.fa_original - row.fa)
        bars = {"fmt": "none", "ecolor": colour, "elinewidth": 0.6, "alpha": 0.5}
        axes.errorbar(x, y, xerr=100 * row.ut_se, yerr=100 * row.fa_se, **bars)
        axes.plot(x, y, MARKERS[methods.index(row.method)], color=colour, markerfacecolor=face, markersize=5.5)
        if row.collapsed:
            axes.plot(x, y, "x", color="black", markersize=8, markeredgewidth=0.8)
    axes.set_xlabel("Utility lost: drop of UT (points, ← better)")
    axes.set_ylabel("Forgotten: drop of FA (points, better →)")
    signs = [sign(MARKERS[i], "0.35", "0.35", labels.method(method)) for i, method in enumerate(methods)]
    if summary["collapsed"].any():
        signs.append(sign("x", "black", "black", "collapsed"))
    drawn.legend(handles=signs, loc="outside upper center", ncols=len(signs), handletextpad=0.1)
    kinds = [model_sign(study, model, f"C{i}") for i, model in enumerate(models)]
    drawn.legend(handles=kinds, loc="outside lower center", ncols=2)
    return drawn


def model_sign(study: Study, model: str, colour: str) -> Line2D:
    """Filled: MoE models; hollow: dense models."""
    moe = study.models[model]["moe"]
    label = f"{labels.model(study.settings, model)} ({'MoE' if moe else 'dense'})"
    return sign("s", colour, colour if moe else "white", label)


def sign(marker: str, colour: str, face: str, label: str) -> Line2D:
    return Line2D([], [], marker=marker, linestyle="", color=colour, markerfacecolor=face, label=label)
