import math

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evidence.study import Study
from rendering import labels
from rendering.drawing import INTEGERS, UNIFORM, WIDTH, collapsed_steps, last_until

TITLE = "Figure 6. Token shares of experts while everything trains"
CAPTION = """**Figure 6.** Token shares of the experts of one layer while gradient ascent trains everything. The experts
keep the order that they have in the original model. Dashed: uniform routing, K/E."""
READS = ("TRAJECTORY", "METRICS")
FIRST_SEED_ONLY = True


def figure(study: Study) -> Figure:
    cell, layer = study.cells()[0], str(study.block["layer"])
    run = study.trajectory(cell, study.seeds[0])
    if layer not in run["probes"][0]["token_share"]:
        wrong = f"config, figures: figure6: layer: {layer} is no MoE layer of {cell[0]}"
        raise SystemExit(f"{wrong} (allowed: {run['moe_layers']})")
    probes = {probe["step"]: probe for probe in (last_until(run["probes"], step) for step in study.block["steps"])}
    broken = collapsed_steps(study, cell)
    original = run["probes"][0]["token_share"][layer]
    order = sorted(range(len(original)), key=lambda expert: (-original[expert], expert))
    rows = math.ceil(len(probes) / 2)
    size = (WIDTH, 0.85 + 1.25 * rows)
    drawn, grid = plt.subplots(rows, 2, figsize=size, sharex=True, sharey=True, squeeze=False)
    for axes, (step, probe) in zip(grid.flat, probes.items(), strict=False):
        shares = [probe["token_share"][layer][expert] for expert in order]
        axes.bar(range(1, len(order) + 1), shares, color="C0", width=0.8)
        uniform = f"uniform, {run['top_k']}/{run['experts']}"
        line = axes.axhline(run["top_k"] / run["experts"], **(UNIFORM | {"zorder": 3}), label=uniform)
        sign = " (collapsed)" if step in broken else ""
        axes.set_title("original model" if step == 0 else f"step {step}{sign}", loc="left")
    for axes in grid.flat[len(probes) :]:
        axes.remove()
    first = grid.flat[0]
    first.set_xlim(0.2, len(order) + 0.8)
    first.set_ylim(0, 1.3 * max(axes.dataLim.ymax for axes in drawn.axes))  # room for the legend
    first.legend(handles=[line], loc="upper right")
    first.xaxis.set_major_locator(MaxNLocator(**(INTEGERS | {"nbins": 4})))
    drawn.suptitle(f"{labels.group(study.settings, *cell[:2])}, layer {layer}", fontsize=8)
    drawn.supxlabel("Expert (in the original model's order)", fontsize=8)
    drawn.supylabel("Token share", fontsize=8)
    return drawn
