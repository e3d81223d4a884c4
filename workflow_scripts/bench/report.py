"""Table and plot of the benchmark's rows."""

import math
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

SHORT = {"evaluating 8 checkpoints, layer": "answers", ", model calls alone": ", calls"}
SHORT |= {"whole GA x UOE cell, layer": "cell", " of 12": "", " step, layer": ""}
NAMES = {"naive": "naive one-expert training", "full": "full fine-tuning", "HFLM": "8 runs of lm-eval's HFLM"}
COLOURS = {"naive": "C0", "full": "C1", "HFLM": "C2"}
PARTS = ("c", "e", "f", "limits", "real", "shared", "start")
PLANNED = "UOE step as planned there, bf16, 4 x 1,024 tokens a pass, GB"
ON_GPU = "On the GPU, random weights, bf16"
ARITHMETIC = "Steps of the micro study"
SHARED = "If cells shared hidden states of questions"
START = "A process pays before its first line of work"
STYLE = Path(__file__).parents[1] / "figures" / "figures.mplstyle"


def _table(alignment: str, head: str, rows: list[str]) -> list[str]:
    """Lines of a table after an empty line; none without rows. alignment: l or r for each column."""
    rule = "".join(":---|" if side == "l" else "---:|" for side in alignment)
    return ["", head, f"|{rule}", *rows] if rows else []


def _spread(row: dict) -> str:
    return f"{row['ratio']:.2f} ({row['least']:.2f} to {row['most']:.2f})"


def markdown(rows: list[dict], machine: dict) -> str:
    """Ratios with their limits, memory, limits at the papers' layers, start-up, and how quiet the machine was."""
    of = {part: [row for row in rows if row["part"] == part] for part in PARTS}
    steps = []
    for row in rows:
        if "ratio" in row and row["part"] != "e":
            times = f"{row['seconds']:.3f} | {row['against']} | {row['seconds_against']:.3f}"
            limit = f"{row['limit']:.2f} | {row['share']:.0%}" if row["limit"] else "|"
            steps.append(f"| {row['what']} | {times} | {_spread(row)} | {limit} |")
    grown = [f"| {row['what']} | {row['ratio']:.2f} | {row['limit']:.2f} |" for row in of["e"]]
    memory = [f"| {row['what']} | {row['against']} | {row['megabytes']:.0f} |" for row in of["c"]]
    names = ("naive", "full", "naive RMU", "HFLM x 8")
    limits, plans, real = [], [], []
    for row in of["limits"]:
        counted = " | ".join(f"{row[f'limit_{name}']:.2f}" for name in names)
        limits.append(f"| {row['what']} | {row['head_in_layers']:.2f} | {counted} |")
        plan = " | ".join(f"{row[f'gigabytes_{name}']:.2f}" for name in ("weights", "trained", "activations"))
        plans.append(f"| {row['what']} | {plan} |")
    for row in of["real"]:
        bound = f"{row['gigabytes_bound']:.1f}" if row["against"] == "ours" else ""
        used = f"{row['tokens_per_second']:,.0f} | {row['utilisation']:.0%} | {row['gigabytes']:.1f}"
        real.append(f"| {row['what']} | {row['against']} | {used} | {bound} |")
    starts = [
        f"| {r['what']} | {r['libraries']} | {r['seconds']:.2f} | {r['seconds_forked']:.2f} |" for r in of["start"]
    ]
    lines = [
        *_table(
            "lrlrlrr", "| | Ours, s | Against | s | Times faster (least to most) | Counted limit | Share of it |", steps
        ),
        *_table("lrr", "| Grown, two thirds up | Times faster | Counted limit |", grown),
        *_table("llr", "| Peak memory beside what was there before | | MB |", memory),
        *_table("lrrrrr", f"| Counted limits at 1,024 tokens | Head, in layers | {' | '.join(names)} |", limits),
        *near_limit(of["f"]),
        *_table("lrrr", f"| {PLANNED} | Weights | Trained | Activations |", plans),
        *_table("llrrrr", f"| {ON_GPU} | | Tokens/s | Of a product's speed | Peak, GB | Bound, GB |", real),
        *_table(
            "lrrrr", f"| {SHARED} | Of layer passes | Of an evaluation | Pays from | File, GB |", shared_prefixes(of)
        ),
        *_table("llrr", f"| {START} | Loads | Fresh, s | As `make` starts it, s |", starts),
        "",
        f"One thread of {machine['cores']} cores, fp32, torch {machine['torch']}, transformers "
        f"{machine['transformers']}; medians of paired rounds. Load average {machine['load_before']:.2f} before the "
        f"start and at most {machine['load_busiest']:.2f} (1 is this benchmark itself); {machine['seconds']:.0f} s "
        "in all. Counted limits are matrix products alone, of whole layers. Naive steps also make gradients for every "
        "expert of the block, throw them away but for one, and go back through the attention below it, so a share can "
        "be over 100 %; so can HFLM's, which prepares each of its runs anew and makes logits for every token.",
    ]
    return "\n".join(lines[1:]) + "\n"


def near_limit(rows: list[dict]) -> list[str]:
    """Lines of the table of part (f): speed of micro steps against that of a plain product."""
    lines = [
        f"| {row['what']} | {row['operations'] / 1e9:.2f} | {1e3 * row['seconds']:.0f} | "
        f"{row['operations_per_second'] / 1e9:.0f} | {row['product_per_second'] / 1e9:.0f} | {row['utilisation']:.2f} |"
        for row in rows
    ]
    return _table("lrrrrr", f"| {ARITHMETIC} | GFLOP | ms | GFLOP/s | Plain product, GFLOP/s | Share of it |", lines)


def shared_prefixes(of: dict[str, list[dict]]) -> list[str]:
    """Why what lies below the trained layer is shared by the checkpoints of a cell, and not by cells."""
    lines = []
    for row in of["limits"]:
        cells = f"cell {math.ceil(row['shared_cells'])}" if row["shared_cells"] else "never"
        shares = f"{row['shared_passes']:.0%} | {round(row['shared_saved'], 2) + 0.0:.0%}"
        lines.append(f"| {row['what']}, WMDP and MMLU | {shares} | {cells} | {row['shared_gigabytes']:.1f} |")
    measured = "| measured here, 8 checkpoints, model calls alone |"
    return lines + [f"{measured} {1 - 1 / row['ratio']:.0%} | | | |" for row in of["shared"]]


def excerpt(rows: list[dict], machine: dict) -> str:
    """The tables of docs/performance.md: what is measured two thirds up, micro steps, and how quiet the machine was."""
    place = "layer 8 of 12"
    lines = [f"| Two thirds up ({place}) | Times faster (least to most) | Counted limit |", "|:---|---:|---:|"]
    for row in rows:
        if "ratio" in row and row["part"] in "abd" and place.removesuffix(" of 12") in row["what"]:
            what = row["what"].replace(f", {place}", "").replace(", layer 8", "")
            limit = f"{row['limit']:.2f}" if row["limit"] else ""
            lines.append(f"| {what}, than {NAMES[row['against']]} | {_spread(row)} | {limit} |")
    lines += near_limit([row for row in rows if row["part"] == "f"])
    lines += ["", f"Measured in {machine['seconds'] / 60:.0f} minutes on one thread of {machine['cores']} cores; load "]
    lines[-1] += f"average {machine['load_before']:.1f} before, at most {machine['load_busiest']:.1f} (1 is its own)."
    return "\n".join(lines) + "\n"


def draw(rows: list[dict]) -> Figure:
    """Ratios of part (a) with their limits, and how ratios grow."""
    plt.style.use(STYLE)
    figure, axes = plt.subplots(1, 3, figsize=(7.2, 2.9), width_ratios=(1.5, 1, 1))
    bars = [row for row in rows if row["part"] in "abd" and "ratio" in row]
    for place, row in enumerate(bars):
        low, high = row["ratio"] - row["least"], row["most"] - row["ratio"]
        axes[0].bar(place, row["ratio"], color=COLOURS[row["against"]], width=0.7)
        axes[0].errorbar(place, row["ratio"], [[low], [high]], color="0.2", linewidth=0.8)
        if row["limit"]:
            axes[0].plot([place - 0.4, place + 0.4], [row["limit"]] * 2, color="black", linewidth=1.2)
    labels = [f"{row['what']} / full" if row["against"] == "full" else row["what"] for row in bars]
    for long, short in SHORT.items():
        labels = [text.replace(long, short) for text in labels]
    axes[0].set_xticks(range(len(bars)), labels, rotation=90, fontsize=6)
    for colour, name in (("C0", "than naive"), ("C1", "than full training"), ("C2", "than HFLM")):
        axes[0].bar(0, 0, color=colour, label=name)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
    axes[0].set_yscale("log")
    axes[0].set_ylabel("times faster (line: limit)")
    shown = (("layers", "length", "experts"), ("checkpoints",))
    for axis, names in zip(axes[1:], shown, strict=True):
        for number, name in enumerate(names):
            grown_rows = [row for row in rows if row["part"] == "e" and row["what"].startswith(f"{name} ")]
            values = [int(row["what"].split()[1]) for row in grown_rows]
            axis.plot(values, [row["ratio"] for row in grown_rows], "os^"[number] + "-", label=name)
            axis.plot(values, [row["limit"] for row in grown_rows], "--", color=f"C{number}", linewidth=0.8)
        axis.set_xscale("log", base=2)
        axis.set_xlabel(", ".join("tokens a row" if name == "length" else name for name in names))
        axis.set_ylim(bottom=0)
    if any(row["part"] == "e" for row in rows):
        axes[1].legend()
    axes[1].set_ylabel("times faster (dashed: limit)")
    return figure
