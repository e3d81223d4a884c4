"""What the cells that are still to be built will ask for: GPUs, GPU memory, disk and time, by kind of scope.

Reads the study's config, the counts of each architecture (count_parameters.py) and which results exist. Prints a table.
Nothing is measured: bytes follow from the counts, times from FLOPs at the speed that the config assumes.
    python workflow_scripts/plan.py --settings "$(cat config.json)" --counts results/paper/architectures/*.json \\
        --results results/paper
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from jobs.files import read_json
from jobs.stage import parser
from moe.budget import DECODING_SECONDS, LOADING_MINUTES_PER_GB, QUESTION_TOKENS, QUESTIONS, activation_bytes
from planning import blocks, layout, pictures, tuning
from planning.cell_files import checkpoint_steps

# Bytes per trained parameter besides its weight: gradient, fp32 copy, Adam's two moments.
TRAINED_BYTES = 4 + 4 + 8
USABLE = 0.95  # of a GPU's memory
REST_GB = 3.0  # the driver, allocator fragmentation, inputs that weight gradients need


def trained(counts: dict, scope: dict) -> int:
    """Parameters that a scope trains. Where the selection decides (ESFT), the maximum: all experts used equally."""
    sizes, by_name = counts["sizes"], counts["scopes"]
    layers = sizes["moe_layers"]
    if scope["kind"] == "hook_mlps":
        of_dense = by_name["baseline"]["trained"] * 3 // sizes["layers"]
        return 3 * sizes["experts"] * sizes["expert"] if layers else of_dense
    if scope["kind"] == "lora":
        return by_name["lora"]["trained"]
    if scope["kind"] == "esft":
        return layers * math.ceil(scope["threshold"] * sizes["experts"]) * sizes["expert"]
    if blocks.scope_file(scope["kind"])["CHOOSES_EXPERTS"]:
        wanted = scope.get("layers", 1)
        number = layers if wanted == "all" else wanted
        return number * (scope.get("experts", 1) * sizes["expert"] + sizes["experts"] * sizes["hidden"])
    return by_name[scope["kind"].replace("_", "-")]["trained"]


def gpu_gigabytes(counts: dict, number: int, training: dict) -> tuple[float, float]:
    """GB that the GPUs share (weights in the study's precision, training state) and GB that each needs (activations, a
    rest). The whole model counts: which layer UOE trains, and so what can stay in main memory, is not known yet."""
    sizes, width = counts["sizes"], 2 if training["precision"] == "bfloat16" else 4
    tokens = training.get("rows_at_once", training["batch_size"]) * training["block_length"]
    recomputed = training.get("gradient_checkpointing", False)
    held = activation_bytes(sizes, sizes["layers"], tokens, recomputed=recomputed, width=width)
    return (counts["total"] * width + number * TRAINED_BYTES) / 1e9, held / 1e9 + REST_GB


def checkpoint_gigabytes(number: int, scope: dict, training: dict) -> float:
    """One delta: selected experts are saved in fp32, everything else in the model's precision."""
    width = 4 if blocks.scope_file(scope["kind"])["CHOOSES_EXPERTS"] or training["precision"] == "float32" else 2
    return number * width / 1e9


def hours(counts: dict, training: dict, passes: int, benchmark: str, tflops: float) -> tuple[float, float]:
    """(training, evaluation of all checkpoints) of one cell on one GPU: 8 FLOPs per active parameter and trained token
    (with recomputed activations), 2 per tested one, and decoding for RWKU."""
    active = counts["sizes"]["active"]
    tokens = training["steps"] * training["batch_size"] * training["block_length"] * passes
    loading = LOADING_MINUTES_PER_GB * counts["total"] * 2 / 1e9 / 60
    checkpoints = len(checkpoint_steps(training))
    asked = checkpoints * QUESTIONS["mmlu test"]
    decoding = 0.0
    if benchmark == "rwku":
        decoding = checkpoints * QUESTIONS["rwku probes"] / 16 * 30 * DECODING_SECONDS / 3600
    else:
        asked += checkpoints * QUESTIONS["wmdp"]
    speed = tflops * 1e12 * 3600
    return 8 * active * tokens / speed + loading, 2 * active * asked * QUESTION_TOKENS / speed + decoding + loading


class Cell(NamedTuple):
    """The wildcards of one cell, as the rules see them."""

    model: str
    benchmark: str
    method: str
    scope: str


def missing(config: dict, root: Path) -> Iterator[tuple[Cell, str, int]]:
    """What is still to be built: (cell, "cells", number over the seeds) and (cell, "trials", number of them)."""

    def absent(pattern: str, **values: object) -> bool:
        return not (root / layout.path(pattern, **values)).is_file()

    for cell in map(Cell._make, pictures.grid(config)):
        chosen = f"{layout.CELL}/{layout.CHOSEN}"
        yield cell, "cells", sum(absent(chosen, **cell._asdict(), seed=seed) for seed in config["seeds"])
    for cell in map(Cell._make, pictures.tuning_block(config)["combinations"]):
        number = tuning.number_of_trials(config, cell.method)
        if number > 1 and absent(layout.TUNING, **cell._asdict()):
            yield cell, "trials", number


def cost_of(config: dict, counts: dict, cell: Cell, what: str) -> tuple[dict, dict]:
    """What one cell or trial needs: figures of which the table shows the maximum, figures of which it shows the sum."""
    hardware, training = config["hardware"], blocks.training_block(config, cell.scope)
    scope = blocks.scope_block(config, cell.method, cell.scope)
    number = trained(counts, scope)
    percent = 100.0 * number / counts["total"]
    passes = 2 if blocks.method_block(config, cell.model, cell.method, cell.scope).get("retain_weight") else 1
    saved = len(checkpoint_steps(training))
    train, test = hours(counts, training, passes, cell.benchmark, hardware["tflops"])
    shared, each = gpu_gigabytes(counts, number, training)
    asked = blocks.job_resources(config, "unlearn", cell)["gpu"]
    checkpoint = checkpoint_gigabytes(number, scope, training)
    kept = 0 if what == "trials" else saved
    if percent > config["checkpoints"]["prune_over"]:
        kept = min(3, kept)  # the best balance on each half and on both
    gpus = math.ceil(shared / (USABLE * hardware["gpu_gb"] - each))
    maxima = {"percent": percent, "gpu_gb": shared + each, "asked": asked, "gpus": gpus}
    maxima["running_gb"] = checkpoint * saved + number * 12 / 1e9
    return maxima, {"disk_gb": checkpoint * kept, "hours": train * max(1, asked) + test}


def plan(config: dict, counts: dict[str, dict], root: Path) -> list[dict]:
    """One row per model and kind of scope: cells and trials to be built, and the most that one of them needs."""
    rows: dict[tuple[str, str], dict] = {}
    for cell, what, left in missing(config, root):
        if not left:
            continue
        maxima, sums = cost_of(config, counts[cell.model], cell, what)
        kind = blocks.scope_block(config, cell.method, cell.scope)["kind"]
        row = rows.setdefault((cell.model, kind), {"cells": 0, "trials": 0, "disk_gb": 0.0, "hours": 0.0} | maxima)
        row |= {key: max(row[key], value) for key, value in maxima.items()}
        row |= {key: row[key] + left * value for key, value in sums.items()}
        row[what] += left
    return [{"model": model, "kind": kind} | row for (model, kind), row in sorted(rows.items())]


def table(rows: list[dict]) -> str:
    """A Markdown table and its sums."""
    if not rows:
        return "Every cell of the study exists; nothing is to be built."
    lines = [
        "| model | what trains | share, % | cells | trials | GPU memory, GB | GPUs needed | GPUs asked | "
        "disk while it runs, GB | disk kept, GB | GPU hours |",
        "|:--|:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        short = " (too few)" if row["gpus"] > row["asked"] else ""
        values = [
            row["model"],
            blocks.scope_file(row["kind"])["TRAINS"],
            f"{row['percent']:.3g}",
            row["cells"],
            row["trials"],
        ]
        values += [f"{row['gpu_gb']:.0f}", row["gpus"], f"{row['asked']}{short}"]
        values += [f"{row['running_gb']:.3g}", f"{row['disk_gb']:.3g}", f"{row['hours']:.1f}"]
        lines.append(f"| {' | '.join(map(str, values))} |")
    total = {key: sum(row[key] for row in rows) for key in ("cells", "trials", "disk_gb", "hours")}
    lines += [
        f"\n{total['cells']} cells, {total['trials']} trials of tuning, {total['disk_gb']:,.0f} GB kept, "
        f"{total['hours']:,.0f} GPU hours.",
        "Computed from the configuration, not measured. Share, memory and disk while it runs: the maximum of one cell.",
        "ESFT's share is an upper bound: all experts used equally.",
    ]
    return "\n".join(lines)


def main() -> None:
    arguments = parser(__doc__, "settings")
    arguments.add_argument("--counts", required=True, type=Path, nargs="+", help="<model>.json of count_parameters.py")
    arguments.add_argument("--results", required=True, type=Path)
    args = arguments.parse_args()
    counts = {path.stem: read_json(path) for path in args.counts}
    print(table(plan(args.settings, counts, args.results)))


if __name__ == "__main__":
    main()
