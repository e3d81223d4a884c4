from statistics import fmean

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from evidence.study import Study, field
from evidence.summary import mean_and_error
from planning import layout
from rendering import labels
from rendering.drawing import LINES, MARKERS, last_until

TITLE = "Figure 4. Expert selection overlap by layer"
CAPTION = """**Figure 4.** Expert selection overlap in each MoE layer after gradient ascent on one expert in every layer
with the router anchor on (80 steps, or the last probe before). The legend gives the utility of the untouched model and
of that checkpoint."""
READS = ("TRAJECTORY", "METRICS", "ORIGINAL")


def figure(study: Study) -> Figure:
    drawn, axes = plt.subplots()
    method, scope = study.block["methods"][0], study.block["scopes"][0]
    for i, place in enumerate(study.places()):
        cell = (*place, method, scope)
        runs = [study.trajectory(cell, seed) for seed in study.seeds]
        probes = [last_until(run["probes"], study.block["step"]) for run in runs]
        layers = runs[0]["moe_layers"]
        points = [mean_and_error([probe["overlap"][str(layer)] for probe in probes], [0.0]) for layer in layers]
        values, errors = zip(*points, strict=True)
        label = f"{labels.group(study.settings, *place)}, step {probes[0]['step']}\n{utilities(study, cell)}"
        bars = errors if len(runs) > 1 else None
        axes.errorbar(layers, values, yerr=bars, marker=MARKERS[i], linestyle=LINES[i], label=label)
        axes.set_xticks(layers if len(layers) <= 12 else layers[::4])
    axes.set_xlabel("MoE layer (index in the model)")
    axes.set_ylabel("Expert selection overlap")
    axes.set_ylim(0, 1.05)
    drawn.legend(loc="outside lower center")
    return drawn


def utilities(study: Study, cell: tuple) -> str:
    """UT of the untouched model and of the last checkpoint until `step`, on the test half, and whether it collapsed."""
    before, after, broken = [], [], False
    for seed in study.seeds:
        checkpoint = last_until(study.metrics(cell, seed), study.block["step"])
        keys = ("utility", "test", "value")
        before.append(field(study.original(*cell[:2], seed), study.path(layout.ORIGINAL, cell, seed), *keys))
        after.append(field(checkpoint, study.path(layout.METRICS, cell, seed), *keys))
        broken |= bool(checkpoint["collapsed"])
    return f"UT {fmean(before):.3f} → {fmean(after):.3f}{' (collapsed)' if broken else ''}"
