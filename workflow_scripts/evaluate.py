"""Score the checkpoints of a cell on the benchmark's tests, in one pass.

Reads a model folder, the tests named in the benchmark block and deltas step-NNNN.safetensors (without any: the model
itself, as step 0), of which those are scored that the run's curve needs (benchmarks/scoring.py), compared with
--original, the untouched model's metrics.json. Writes metrics.json (no dates: equal results are equal bytes) and
predictions.jsonl.gz (one row per checkpoint and question).
    python workflow_scripts/evaluate.py --model MODEL --data DATA --checkpoints CELL/checkpoints/*.safetensors \\
        --original original/wmdp-cyber.json --settings '{"benchmark": {"name": "wmdp-cyber", ...}, "batch_size": 64,
        "precision": "float32"}' --output CELL/metrics.json --predictions CELL/predictions.jsonl.gz
"""

import argparse
import gzip
import io
import json
import sys
from contextlib import nullcontext
from pathlib import Path

from benchmarks.checkpoints import load, step_of
from benchmarks.choice import checked
from benchmarks.evaluating import DECIDING, evaluate, read_tests, responders
from benchmarks.halves import HALVES
from benchmarks.scoring import scored
from jobs import provenance
from jobs.files import read_json, write_bytes, write_json
from jobs.stage import parser
from moe import libraries
from moe.delta import applied, base_hash, lowest_changed
from moe.upper_layers import Reuse, reuse_prefix_


def parse() -> argparse.Namespace:
    arguments = parser(__doc__, "settings", "model", "data", "limit-gb", "threads", "output")
    arguments.add_argument("--checkpoints", type=Path, nargs="*", default=[])
    arguments.add_argument("--manifest", type=Path, help="the cell's, which names all checkpoints that there were")
    arguments.add_argument("--original", type=Path, nargs="?", help="the untouched model's metrics.json")
    arguments.add_argument("--predictions", type=Path)
    return arguments.parse_args()


def steps_of(args: argparse.Namespace) -> dict[int, Path | None]:
    """Every checkpoint that there was -> its file, None where it is gone; step 0 for the model itself."""
    given = {step_of(path): path for path in args.checkpoints}
    named = read_json(args.manifest)["checkpoints"] if args.manifest else []
    return dict(sorted((dict.fromkeys(step_of(Path(name)) for name in named) | given).items())) or {0: None}


def check_there(step: int, path: Path | None, manifest: Path | None) -> None:
    """Ends with one line if a checkpoint is wanted that is gone."""
    if step and path is None:
        raise SystemExit(
            f"{manifest.parent}/checkpoints: step {step} was removed after the choice; to evaluate again, unlearn this "
            f"cell again (name {manifest} as a target, with --force)"
        )


def write_predictions(path: Path, rows: list[dict]) -> None:
    """JSON lines, compressed without a time stamp, so that equal rows are equal bytes."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as file:
        file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
    write_bytes(path, buffer.getvalue())


def main() -> None:
    args = parse()
    settings, benchmark = args.settings, args.settings["benchmark"]
    libraries.set_up(args.threads)
    steps, original = steps_of(args), None
    if steps.keys() != {0}:
        if args.original is None:
            raise SystemExit("--original is missing: checkpoints are compared with the untouched model")
        original = checked(read_json(args.original), args.original)[0]
    tests = read_tests(benchmark, args.data, list(HALVES))
    model, tokenizer = load(args.model, settings["precision"])
    # What lies below the layers that the checkpoints change runs once a question, not once a checkpoint.
    lowest = lowest_changed(model, args.checkpoints) if len(steps) > 1 else 0
    prefix = reuse_prefix_(model, lowest, Reuse(1e9 * args.limit_gb), [], settings["batch_size"])
    answering = responders(model, tokenizer, settings["batch_size"], prefix)
    base = base_hash(args.model)

    predictions: dict[int, list[dict]] = {}

    def score(step: int) -> dict:
        check_there(step, steps[step], args.manifest)
        with applied(model, steps[step], base) if steps[step] else nullcontext():
            entry, predictions[step] = evaluate(tests, answering, step)
        values = ", ".join(f"{name} {entry[name]['all']['value']:.3f}" for name in DECIDING)
        print(f"{args.output}: step {step}: {values}", file=sys.stderr)
        return entry

    entries = scored(list(steps), score, original) if original else [score(0)]
    if args.predictions:
        write_predictions(args.predictions, [row for step in sorted(predictions) for row in predictions[step]])
    write_json(args.output, {"benchmark": benchmark["name"], "checkpoints": entries})
    read = [args.model, *([args.manifest] if args.manifest else []), *provenance.files_named(benchmark, args.data)]
    outputs = [args.output, *([args.predictions] if args.predictions else [])]
    provenance.record(args.output, vars(args), read, outputs, base=base)


if __name__ == "__main__":
    main()
