"""What the cells that are still to be built will ask for: GPUs, GPU memory, disk and time, by kind of cell.

Reads the study's settings, the architectures' counts (count_parameters.py) and which results are there; prints a table.
Nothing is measured: bytes follow from the counts, times from FLOPs at the speed that the settings assume.
    snakemake plan --configfile config/paper.yaml -c 1
"""

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path

from jobs.files import read_json
from moe.budget import activation_bytes
from planning import needs, study

# Bytes a trained parameter, its weight aside: gradient, fp32 copy, Adam's two moments.
TRAINED_BYTES = 4 + 4 + 8
USABLE = 0.95  # of a GPU's memory
REST_GB = 3.0  # the driver's own, what the allocator can't use, inputs that weight gradients need
QUESTION_TOKENS = 150  # a lettered question of MMLU or WMDP with its options
QUESTIONS = {"wmdp": 1987, "mmlu test": 14042, "mmlu validation": 1531, "rwku probes": 6000}
DECODING_SECONDS = 0.05  # one token for a batch of prompts
LOADING_MINUTES_PER_GB = 0.03
EXPERT_KINDS = ("uoe", "random", "esft")
KINDS = {
    "baseline": "everything",
    "experts": "all experts",
    "experts_routers": "all experts and routers",
    "routers": "all routers",
    "uoe": "UOE and its variants",
    "random": "random experts",
    "lora": "LoRA",
    "esft": "ESFT",
    "hook_mlps": "RMU's three layers",
}


def trained(counts: dict, scope: dict) -> int:
    """Parameters that a scope trains; where a selection decides (ESFT) at most: as if all experts were used alike."""
    sizes, by_name = counts["sizes"], counts["scopes"]
    layers = sizes["moe_layers"]
    if scope["kind"] == "hook_mlps":
        return (
            3 * sizes["experts"] * sizes["expert"] if layers else by_name["baseline"]["trained"] * 3 // sizes["layers"]
        )
    if scope["kind"] == "lora":
        return by_name["lora"]["trained"]
    if scope["kind"] == "esft":
        return layers * math.ceil(scope["threshold"] * sizes["experts"]) * sizes["expert"]
    if scope["kind"] in EXPERT_KINDS:
        wanted = scope.get("layers", 1)
        number = layers if wanted == "all" else wanted
        return number * (scope.get("experts", 1) * sizes["expert"] + sizes["experts"] * sizes["hidden"])
    return by_name[scope["kind"].replace("_", "-")]["trained"]


def gpu_gigabytes(counts: dict, number: int, training: dict) -> tuple[float, float]:
    """What GPUs share (weights in the study's precision, what training adds), and what each needs (activations, a
    rest). Whole models: which layer UOE trains, and so what it can leave in the machine's memory, is not known yet."""
    sizes, width = counts["sizes"], 2 if training["precision"] == "bfloat16" else 4
    tokens = training.get("rows_at_once", training["batch_size"]) * training["block_length"]
    recomputed = training.get("gradient_checkpointing", False)
    held = activation_bytes(sizes, sizes["layers"], tokens, recomputed=recomputed, width=width)
    return (counts["total"] * width + number * TRAINED_BYTES) / 1e9, held / 1e9 + REST_GB


def checkpoint_gigabytes(number: int, scope: dict, training: dict) -> float:
    """One delta: chosen experts lie in it in fp32, everything else in the model's precision."""
    width = 4 if scope["kind"] in EXPERT_KINDS or training["precision"] == "float32" else 2
    return number * width / 1e9


def hours(counts: dict, training: dict, passes: int, benchmark: str, shown: int, tflops: float) -> tuple:
    """(training, evaluation) of one cell on one GPU: 8 FLOPs an active parameter and trained token (with recomputed
    activations), 2 a tested one, and decoding for RWKU. shown: checkpoints that the whole test is asked of."""
    active = counts["sizes"]["active"]
    tokens = training["steps"] * training["batch_size"] * training["block_length"] * passes
    loading = LOADING_MINUTES_PER_GB * counts["total"] * 2 / 1e9 / 60
    checkpoints = training["steps"] // training["checkpoint_every"]
    asked = checkpoints * QUESTIONS["mmlu validation"] + shown * QUESTIONS["mmlu test"]
    decoding = 0.0
    if benchmark == "rwku":
        decoding = checkpoints * QUESTIONS["rwku probes"] / 16 * 30 * DECODING_SECONDS / 3600
    else:
        asked += checkpoints * QUESTIONS["wmdp"]
    speed = tflops * 1e12 * 3600
    return 8 * active * tokens / speed + loading, 2 * active * asked * QUESTION_TOKENS / speed + decoding + loading


class Cell:
    """The wildcards of one cell, as the rules see them."""

    def __init__(self, model: str, benchmark: str, method: str, scope: str):
        self.model, self.benchmark, self.method, self.scope = model, benchmark, method, scope


def missing(config: dict, root: Path) -> Iterator[tuple[Cell, str, int]]:
    """What is still to be built: cells over their seeds, and the trials of learning rates that they are tuned by."""
    for parts in needs.grid(config):
        place = root.joinpath("cells", *parts)
        yield Cell(*parts), "cells", sum(not (place / f"seed-{n}" / "chosen.json").is_file() for n in config["seeds"])
    for model, method, scope in needs.tuning_block(config)["combinations"]:
        rates, benchmark = config["tuning"]["learning_rates"][scope], config["tuning"]["benchmark"]
        if len(rates) > 1 and not (root / "tuning" / model / method / f"{scope}.json").is_file():
            place = root / "trials" / model / benchmark / method / scope
            left = sum(not (place / f"lr-{rate:g}" / "metrics.json").is_file() for rate in rates)
            yield Cell(model, benchmark, method, scope), "trials", left


def plan(config: dict, counts: dict[str, dict], root: Path) -> list[dict]:
    """One row a model and kind of scope: cells and trials to be built, and the most that one of them needs."""
    rows: dict[tuple[str, str], dict] = {}
    hardware = config["hardware"]
    for cell, what, left in missing(config, root):
        if not left:
            continue
        training = study.training_block(config, cell.scope)
        scope = study.scope_block(config, cell.method, cell.scope)
        number = trained(counts[cell.model], scope)
        percent = 100.0 * number / counts[cell.model]["total"]
        passes = 2 if study.method_block(config, cell.model, cell.method, cell.scope).get("retain_weight") else 1
        made = training["steps"] // training["checkpoint_every"]
        shown = 0 if what == "trials" else made if config["evaluation"]["test"] == "all" else min(3, made)
        train, test = hours(counts[cell.model], training, passes, cell.benchmark, shown, hardware["tflops"])
        shared, each = gpu_gigabytes(counts[cell.model], number, training)
        asked = study.needs(config, "unlearn", cell)["gpu"]
        checkpoint = checkpoint_gigabytes(number, scope, training)
        pruned = what == "cells" and percent > config["checkpoints"]["prune_over"]
        kept = min(2, made) if pruned else made  # two choices: balance, and at FA ~ 0.25
        most = {"percent": percent, "gpu_gb": shared + each, "asked": asked}
        most |= {"gpus": math.ceil(shared / (USABLE * hardware["gpu_gb"] - each))}
        most |= {"running_gb": checkpoint * made + number * 12 / 1e9}
        start = {"cells": 0, "trials": 0, "disk_gb": 0.0, "hours": 0.0} | most
        row = rows.setdefault((cell.model, scope["kind"]), start)
        row |= {key: max(row[key], value) for key, value in most.items()}
        row[what] += left
        row["disk_gb"] += left * checkpoint * kept
        row["hours"] += left * (train * max(1, asked) + test)
    return [{"model": model, "kind": kind} | row for (model, kind), row in sorted(rows.items())]


def table(rows: list[dict]) -> str:
    """A Markdown table and its sums."""
    if not rows:
        return "Every cell of the study is there; nothing is to be built."
    lines = [
        "| model | what trains | share, % | cells | trials | GPU memory, GB | GPUs needed | GPUs asked | "
        "disk while it runs, GB | disk kept, GB | GPU hours |",
        "|:--|:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        short = " (too few)" if row["gpus"] > row["asked"] else ""
        written = [row["model"], KINDS.get(row["kind"], row["kind"]), f"{row['percent']:.3g}"]
        written += [
            row["cells"],
            row["trials"],
            f"{row['gpu_gb']:.0f}",
            row["gpus"],
            f"{row['asked']}{short}",
            f"{row['running_gb']:.3g}",
        ]
        written += [f"{row['disk_gb']:.3g}", f"{row['hours']:.1f}"]
        lines.append(f"| {' | '.join(map(str, written))} |")
    total = {key: sum(row[key] for row in rows) for key in ("cells", "trials", "disk_gb", "hours")}
    counted = f"{total['cells']} cells, {total['trials']} trials of learning rates"
    lines.append(f"\n{counted}, {total['disk_gb']:,.0f} GB kept, {total['hours']:,.0f} GPU hours.")
    lines.append(
        "Computed from the configuration, not measured. Share, memory and disk while it runs: of one cell, the most."
    )
    lines.append("ESFT's share is what it has at most, where all experts are used alike.")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", required=True, type=json.loads, help="the study's whole config, as JSON")
    parser.add_argument("--counts", required=True, type=Path, nargs="+", help="<model>.json of count_parameters.py")
    parser.add_argument("--results", required=True, type=Path)
    args = parser.parse_args()
    counts = {path.stem: read_json(path) for path in args.counts}
    print(table(plan(args.settings, counts, args.results)))


if __name__ == "__main__":
    main()
