"""The papers' figures from the files of a study: one function a figure, each returning a matplotlib figure.

Figures are numbered as in version 1 of the paper (arXiv 2411.18797v1). Colours are always doubled by a marker or a
line style.
"""

import math
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from evidence import results
from figures.prompt_figures import v2_figure4
from jobs.files import read_json
from rendering import labels

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
UNIFORM = {"color": "0.35", "linewidth": 0.9, "linestyle": "--", "zorder": 1}
WHOLE = {"nbins": 7, "integer": True, "steps": [1, 2, 5, 10]}  # ticks at whole numbers
PANEL_LAYERS = 4  # more curves than this in one panel of figure 2 can't be told apart
MODULES = {
    "baseline": "all parameters",
    "experts-routers": "experts & routers",
    "experts": "experts",
    "routers": "routers",
}


def figure1a(root: Path, settings: dict) -> Figure:
    """Drop of FA (up is better) against drop of UT (left is better), each method's best checkpoint on MoE and dense
    models.
    """
    summary = results.summarise(results.read_chosen(root, settings))
    models, methods = list(settings["models"]), settings["block"]["methods"]
    figure, axes = plt.subplots(figsize=(3.3, 3.2))
    for row in summary.itertuples():
        colour = f"C{models.index(row.model)}"
        face = colour if settings["models"][row.model]["moe"] else "white"
        x, y = 100 * (row.ut0 - row.ut), 100 * (row.fa0 - row.fa)
        axes.errorbar(
            x, y, xerr=100 * row.ut_se, yerr=100 * row.fa_se, fmt="none", ecolor=colour, elinewidth=0.6, alpha=0.5
        )
        axes.plot(x, y, MARKERS[methods.index(row.method)], color=colour, markerfacecolor=face, markersize=5.5)
        if row.collapsed:
            axes.plot(x, y, "x", color="black", markersize=8, markeredgewidth=0.8)
    axes.set_xlabel("Utility lost: drop of UT (points, ← better)")
    axes.set_ylabel("Forgotten: drop of FA (points, better →)")
    kinds = [
        Line2D(
            [],
            [],
            marker="s",
            linestyle="",
            color=f"C{i}",
            markerfacecolor=f"C{i}" if settings["models"][model]["moe"] else "white",
            label=f"{labels.model(settings, model)} ({'MoE' if settings['models'][model]['moe'] else 'dense'})",
        )
        for i, model in enumerate(models)
    ]
    signs = [
        Line2D([], [], marker=MARKERS[i], linestyle="", color="0.35", label=labels.method(method))
        for i, method in enumerate(methods)
    ]
    if summary["collapsed"].any():
        signs.append(Line2D([], [], marker="x", linestyle="", color="black", label="collapsed"))
    figure.legend(handles=signs, loc="outside upper center", ncols=len(signs), handletextpad=0.1)
    figure.legend(handles=kinds, loc="outside lower center", ncols=2)
    return figure


def figure2(root: Path, settings: dict) -> Figure:
    """Token shares of the untouched model on the forget set, sorted within each layer; the line marks uniform
    routing, K/E.
    """
    pairs = [
        (model, benchmark) for model in settings["block"]["models"] for benchmark in settings["block"]["benchmarks"]
    ]
    figure, panels = _panels(len(pairs), 1.75)
    for axes, (model, benchmark) in zip(panels, pairs, strict=True):
        found = results.read_affinity(root, model, benchmark, settings["seeds"][0])
        layers = sorted(found["layers"])
        if len(layers) > PANEL_LAYERS:  # evenly through the depth, first and last among them
            layers = [layers[round(i * (len(layers) - 1) / (PANEL_LAYERS - 1))] for i in range(PANEL_LAYERS)]
        for i, layer in enumerate(layers):
            shares = sorted(found["layers"][layer]["token_share"], reverse=True)
            axes.plot(range(1, len(shares) + 1), shares, marker=MARKERS[i], linestyle=LINES[i], label=f"layer {layer}")
        uniform = found["top_k"] / found["experts"]
        axes.axhline(uniform, **UNIFORM, label=f"uniform, {found['top_k']}/{found['experts']}")
        axes.set_title(labels.group(settings, model, benchmark), loc="left")
        axes.set_ylabel("Token share")
        axes.set_ylim(0, 1.45 * axes.dataLim.ymax)  # room for the legend above the highest curve
        axes.set_xlim(left=0.5)
        axes.xaxis.set_major_locator(MaxNLocator(**WHOLE))
        axes.legend(loc="upper right", ncols=3)
    panels[-1].set_xlabel("Expert (sorted within its layer)")
    return figure


def figure3a(root: Path, settings: dict) -> Figure:
    """Mean overlap with the original expert choice against steps, GA."""
    return _overlap_against_steps(root, settings)


def figure5(root: Path, settings: dict) -> Figure:
    """The same for one trained expert in every layer, anchor on."""
    return _overlap_against_steps(root, settings)


def _overlap_against_steps(root: Path, settings: dict) -> Figure:
    figure, axes = plt.subplots()
    block = settings["block"]
    curves = [
        (m, b, me, s)
        for m in block["models"]
        for b in block["benchmarks"]
        for me in block["methods"]
        for s in block["scopes"]
    ]
    for i, (model, benchmark, method, scope) in enumerate(curves):
        runs = [results.read_trajectory(root, model, benchmark, method, scope, seed) for seed in settings["seeds"]]
        broken = _collapsed_steps(root, (model, benchmark, method, scope), settings["seeds"])
        name = labels.group(settings, model, benchmark)
        _curve(axes, runs, lambda probe: _mean(probe["overlap"].values()), i, name, broken)
    axes.set_xlabel("Unlearning steps")
    axes.set_ylabel("Expert selection overlap")
    axes.set_ylim(0, 1.05)
    axes.xaxis.set_major_locator(MaxNLocator(**WHOLE))
    entries = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=2)
    return figure


def figure3b(root: Path, settings: dict) -> Figure:
    """Forget loss (GA: negative cross-entropy of the forget text) against steps, one curve a trained module."""
    block = settings["block"]
    pairs = [(model, benchmark) for model in block["models"] for benchmark in block["benchmarks"]]
    figure, panels = _panels(len(pairs), 1.6)
    for axes, (model, benchmark) in zip(panels, pairs, strict=True):
        for i, scope in enumerate(block["scopes"]):
            runs = [
                results.read_trajectory(root, model, benchmark, block["methods"][0], scope, seed)
                for seed in settings["seeds"]
            ]
            broken = _collapsed_steps(root, (model, benchmark, block["methods"][0], scope), settings["seeds"])
            name = MODULES.get(scope, labels.scope(scope))
            _curve(axes, runs, lambda probe: -probe["forget_loss"], i, name, broken)
        axes.set_title(labels.group(settings, model, benchmark), loc="left")
        axes.set_ylabel("Forget loss\n(–nats/token)")
        axes.xaxis.set_major_locator(MaxNLocator(**WHOLE))
    panels[-1].set_xlabel("Unlearning steps")
    entries = {name: handle for axes in panels for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    layout = {"loc": "outside lower center", "ncols": 2, "title": "Trained modules", "title_fontsize": 7}
    figure.legend(entries.values(), entries.keys(), **layout)
    return figure


def figure4(root: Path, settings: dict) -> Figure:
    """Overlap in each MoE layer after `step` steps, and the utility there beside the untouched model's."""
    figure, axes = plt.subplots()
    block = settings["block"]
    pairs = [(model, benchmark) for model in block["models"] for benchmark in block["benchmarks"]]
    method, scope = block["methods"][0], block["scopes"][0]
    for i, (model, benchmark) in enumerate(pairs):
        runs = [results.read_trajectory(root, model, benchmark, method, scope, seed) for seed in settings["seeds"]]
        probes = [_last_until(run["probes"], block["step"]) for run in runs]
        layers = runs[0]["moe_layers"]
        points = [results.mean_and_error([probe["overlap"][str(layer)] for probe in probes], [0.0]) for layer in layers]
        utilities = [
            _utilities(root, model, benchmark, method, scope, seed, block["step"]) for seed in settings["seeds"]
        ]
        before, after = (_mean(values) for values in zip(*((first, last) for first, last, _ in utilities), strict=True))
        sign = " (collapsed)" if any(collapsed for _, _, collapsed in utilities) else ""
        described = f"{labels.group(settings, model, benchmark)}, step {probes[0]['step']}"
        described += f"\nUT {before:.3f} → {after:.3f}{sign}"
        values, errors = zip(*points, strict=True)
        axes.errorbar(
            layers,
            values,
            yerr=errors if len(runs) > 1 else None,
            marker=MARKERS[i],
            linestyle=LINES[i],
            label=described,
        )
        axes.set_xticks(layers if len(layers) <= 12 else layers[::4])
    axes.set_xlabel("MoE layer (index in the model)")
    axes.set_ylabel("Expert selection overlap")
    axes.set_ylim(0, 1.05)
    figure.legend(loc="outside lower center")
    return figure


def figure6(root: Path, settings: dict) -> Figure:
    """Token shares in one layer at several steps of GA; the experts keep the order that they have in the original
    model.
    """
    block, seed = settings["block"], settings["seeds"][0]
    model, benchmark = block["models"][0], block["benchmarks"][0]
    run = results.read_trajectory(root, model, benchmark, block["methods"][0], block["scopes"][0], seed)
    layer = str(block["layer"])
    if layer not in run["probes"][0]["token_share"]:
        raise SystemExit(
            f"config, figures: figure6: layer: {layer} is no MoE layer of {model} (allowed: {run['moe_layers']})"
        )
    probes = {probe["step"]: probe for probe in (_last_until(run["probes"], step) for step in block["steps"])}
    broken = _collapsed_steps(root, (model, benchmark, block["methods"][0], block["scopes"][0]), [seed])
    original = run["probes"][0]["token_share"][layer]
    order = sorted(range(len(original)), key=lambda expert: (-original[expert], expert))
    rows = math.ceil(len(probes) / 2)
    figure, grid = plt.subplots(rows, 2, figsize=(3.3, 0.85 + 1.25 * rows), sharex=True, sharey=True, squeeze=False)
    for axes, (step, probe) in zip(grid.flat, probes.items(), strict=False):
        shares = [probe["token_share"][layer][expert] for expert in order]
        axes.bar(range(1, len(order) + 1), shares, color="C0", width=0.8)
        uniform = f"uniform, {run['top_k']}/{run['experts']}"
        line = axes.axhline(run["top_k"] / run["experts"], **(UNIFORM | {"zorder": 3}), label=uniform)
        sign = " (collapsed)" if step in broken else ""
        axes.set_title("original model" if step == 0 else f"step {step}{sign}", loc="left")
    for axes in grid.flat[len(probes) :]:
        axes.remove()
    grid.flat[0].set_xlim(0.2, len(order) + 0.8)
    grid.flat[0].set_ylim(0, 1.3 * max(axes.dataLim.ymax for axes in figure.axes))  # room for the legend
    grid.flat[0].legend(handles=[line], loc="upper right")
    figure.suptitle(f"{labels.group(settings, model, benchmark)}, layer {layer}", fontsize=8)
    grid.flat[0].xaxis.set_major_locator(MaxNLocator(**(WHOLE | {"nbins": 4})))
    figure.supxlabel("Expert (in the original model's order)", fontsize=8)
    figure.supylabel("Token share", fontsize=8)
    return figure


FIGURES: dict[str, Callable[[Path, dict], Figure]] = {
    "figure1a": figure1a,
    "figure2": figure2,
    "figure3a": figure3a,
    "figure3b": figure3b,
    "figure4": figure4,
    "figure5": figure5,
    "figure6": figure6,
    "v2_figure4": v2_figure4,
}


def _panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    """Panels one below the other, each `height` inches."""
    figure, grid = plt.subplots(count, 1, figsize=(3.3, 0.45 + height * count), sharex=count > 1, squeeze=False)
    return figure, list(grid[:, 0])


def _collapsed_steps(root: Path, cell: tuple[str, str, str, str], seeds: list[int]) -> set[int]:
    """Steps at which a seed's checkpoint has collapsed."""
    steps = set()
    for seed in seeds:
        path = results.cell_folder(root, *cell, seed) / "metrics.json"
        steps |= {entry["step"] for entry in results.field(read_json(path), path, "checkpoints") if entry["collapsed"]}
    return steps


def _curve(
    axes: Axes, runs: list[dict], measure: Callable[[dict], float], index: int, label: str, broken: set[int]
) -> None:
    """One curve over the probes that all seeds have; with several seeds a band of one standard error over them.

    A cross marks each step of `broken`, at which a seed's checkpoint has collapsed.
    """
    steps = sorted(set.intersection(*({probe["step"] for probe in run["probes"]} for run in runs)))
    at = [{probe["step"]: measure(probe) for probe in run["probes"]} for run in runs]
    points = [results.mean_and_error([values[step] for values in at], [0.0]) for step in steps]
    means, errors = zip(*points, strict=True)
    axes.plot(steps, means, color=f"C{index}", marker=MARKERS[index], linestyle=LINES[index], label=label)
    crosses = [(step, mean) for step, mean in zip(steps, means, strict=True) if step in broken]
    if crosses:
        style = {"color": "black", "markersize": 8, "markeredgewidth": 0.8, "linestyle": ""}
        axes.plot(*zip(*crosses, strict=True), marker="x", label="collapsed", **style)
    if len(runs) > 1:
        low, high = [m - e for m, e in points], [m + e for m, e in points]
        axes.fill_between(steps, low, high, color=f"C{index}", alpha=0.2, linewidth=0)


def _mean(values) -> float:
    values = list(values)
    return math.fsum(values) / len(values)


def _last_until(entries: list[dict], step: int) -> dict:
    """The last of `entries` at or before `step`; the first one if all lie after it."""
    return max(
        (entry for entry in entries if entry["step"] <= step), key=lambda entry: entry["step"], default=entries[0]
    )


def _utilities(
    root: Path, model: str, benchmark: str, method: str, scope: str, seed: int, step: int
) -> tuple[float, float, bool]:
    """(untouched UT, UT at the last checkpoint until `step`, whether that one collapsed), on the test half."""
    path = results.cell_folder(root, model, benchmark, method, scope, seed) / "metrics.json"
    checkpoint = _last_until(results.field(read_json(path), path, "checkpoints"), step)
    original = root / "models" / model / f"seed-{seed}" / "original" / f"{benchmark}.json"
    untouched = results.field(read_json(original), original, "checkpoints")[0]
    before = results.field(untouched, original, "utility", "test", "value")
    return before, results.field(checkpoint, path, "utility", "test", "value"), bool(checkpoint["collapsed"])
