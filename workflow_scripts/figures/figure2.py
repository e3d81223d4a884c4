from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evidence.study import Study
from rendering import labels
from rendering.drawing import INTEGERS, LINES, MARKERS, UNIFORM, panels

TITLE = "Figure 2. Token shares of experts"
CAPTION = """**Figure 2.** Share of the forget set's tokens that each expert of the untouched model gets, sorted within
its layer, for several MoE layers. Dashed: the share under uniform routing, K/E."""
READS = ("AFFINITY",)
KEYS = ("models", "benchmarks")
FIRST_SEED_ONLY = True
PANEL_LAYERS = 4  # more curves than this in one panel can't be told apart


def figure(study: Study) -> Figure:
    places = study.places()
    drawn, grid = panels(len(places), 1.75)
    for axes, place in zip(grid, places, strict=True):
        affinity = study.affinity(*place, study.seeds[0])
        for i, layer in enumerate(shown_layers(affinity)):
            shares = sorted(affinity["layers"][layer]["token_share"], reverse=True)
            axes.plot(range(1, len(shares) + 1), shares, marker=MARKERS[i], linestyle=LINES[i], label=f"layer {layer}")
        uniform = affinity["top_k"] / affinity["experts"]
        axes.axhline(uniform, **UNIFORM, label=f"uniform, {affinity['top_k']}/{affinity['experts']}")
        axes.set_title(labels.group(study.settings, *place), loc="left")
        axes.set_ylabel("Token share")
        axes.set_ylim(0, 1.45 * axes.dataLim.ymax)  # room for the legend above the highest curve
        axes.set_xlim(left=0.5)
        axes.xaxis.set_major_locator(MaxNLocator(**INTEGERS))
        axes.legend(loc="upper right", ncols=3)
    grid[-1].set_xlabel("Expert (sorted within its layer)")
    return drawn


def shown_layers(affinity: dict) -> list[int]:
    """Evenly through the depth, first and last among them."""
    layers = sorted(affinity["layers"])
    if len(layers) <= PANEL_LAYERS:
        return layers
    return [layers[round(i * (len(layers) - 1) / (PANEL_LAYERS - 1))] for i in range(PANEL_LAYERS)]
