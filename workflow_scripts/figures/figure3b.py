from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evidence.study import Study
from rendering import labels
from rendering.drawing import INTEGERS, curve, panels

TITLE = "Figure 3b. Forget loss against steps, by trained modules"
CAPTION = """**Figure 3b.** Forget loss of gradient ascent (negative cross-entropy of the same forget text; lower means
less likely) against steps, one curve for each set of trained modules."""
READS = ("TRAJECTORY", "METRICS")
MODULES = {"baseline": "all parameters"}


def figure(study: Study) -> Figure:
    places, method = study.places(), study.block["methods"][0]
    drawn, grid = panels(len(places), 1.6)
    for axes, place in zip(grid, places, strict=True):
        for i, scope in enumerate(study.block["scopes"]):
            name = MODULES.get(scope, labels.scope(scope))
            curve(axes, study, (*place, method, scope), lambda probe: -probe["forget_loss"], i, name)
        axes.set_title(labels.group(study.settings, *place), loc="left")
        axes.set_ylabel("Forget loss\n(–nats/token)")
        axes.xaxis.set_major_locator(MaxNLocator(**INTEGERS))
    grid[-1].set_xlabel("Unlearning steps")
    entries = {name: handle for axes in grid for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    layout = {"loc": "outside lower center", "ncols": 2, "title": "Trained modules", "title_fontsize": 7}
    drawn.legend(entries.values(), entries.keys(), **layout)
    return drawn
