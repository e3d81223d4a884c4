"""Score every checkpoint of a cell on the benchmark's tests, in one pass.

Reads a model folder, the tests named in the benchmark block and deltas step-NNNN.safetensors (without any: the model
itself, as step 0). Writes metrics.json (all scores, no dates: equal results are equal bytes) and
predictions.jsonl.gz (one row per checkpoint and question). With --original, the untouched model's metrics.json, the
test half is scored only for the checkpoints that a table may show, as chosen on the development half.
    python workflow_scripts/evaluate.py --model MODEL --data DATA --checkpoints CELL/checkpoints/*.safetensors \\
        --settings '{"benchmark": {"name": "wmdp-cyber", ...}, "halves": ["development", "test"], "batch_size": 64,
        "precision": "float32"}' --output CELL/metrics.json --predictions CELL/predictions.jsonl.gz
"""

import argparse
import gzip
import io
import json
from contextlib import nullcontext
from pathlib import Path

from benchmarks.checkpoints import load, step_of
from benchmarks.choice import checked, shown_steps
from benchmarks.evaluating import DECIDING, evaluate, merge, read_tests, responders
from jobs import provenance
from jobs.files import read_json, write_bytes, write_json
from jobs.progress import progress
from jobs.stage import parser
from moe import libraries
from moe.delta import applied, base_hash, lowest_changed
from moe.upper_layers import Reuse, reuse_prefix_


def parse() -> argparse.Namespace:
    arguments = parser(__doc__, "settings", "model", "data", "limit-gb", "threads", "output")
    arguments.add_argument("--checkpoints", type=Path, nargs="*", default=[])
    arguments.add_argument("--manifest", type=Path, help="the cell's; every checkpoint that it names must exist")
    arguments.add_argument(
        "--original", type=Path, nargs="?", help="the untouched model's metrics.json; needs `threshold`"
    )
    arguments.add_argument("--predictions", type=Path)
    return arguments.parse_args()


def check_manifest(manifest: Path, checkpoints: list[Path]) -> None:
    """Ends with one line if a checkpoint that the manifest names is not given."""
    for name in read_json(manifest)["checkpoints"]:
        if name not in {path.name for path in checkpoints}:
            raise SystemExit(
                f"{manifest.parent}/checkpoints/{name}: was removed after the choice; to evaluate again, unlearn "
                f"this cell again (name {manifest} as a target, with --force)"
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
    steps = {step_of(path): path for path in args.checkpoints} or {0: None}
    if args.manifest:
        check_manifest(args.manifest, args.checkpoints)
    tests = read_tests(benchmark, args.data, settings["halves"])
    model, tokenizer = load(args.model, settings["precision"])
    # What lies below the layers that the checkpoints change runs once a question, not once a checkpoint.
    lowest = lowest_changed(model, args.checkpoints) if len(steps) > 1 else 0
    prefix = reuse_prefix_(model, lowest, Reuse(1e9 * args.limit_gb), [], settings["batch_size"])
    answering = responders(model, tokenizer, settings["batch_size"], prefix)
    base = base_hash(args.model)

    entries, predictions = [], []
    bar = progress(sorted(steps), f"evaluating for {args.output}", unit="checkpoint")
    for step in bar:
        with applied(model, steps[step], base) if steps[step] else nullcontext():
            entry, rows = evaluate(tests, answering, step)
        entries.append(entry)
        predictions += rows
        bar.set(**{name: next(iter(entry[name].values()))["value"] for name in DECIDING})
    if args.original:
        tests = read_tests(benchmark, args.data, ["test"])
        original = checked(read_json(args.original), args.original, "development")[0]
        shown = shown_steps(entries, original, settings["threshold"])
        for entry in [entry for entry in entries if entry["step"] in shown]:
            with applied(model, steps[entry["step"]], base):
                tested, rows = evaluate(tests, answering, entry["step"])
            merge(entry, tested)
            predictions += rows
    if args.predictions:
        write_predictions(args.predictions, predictions)
    write_json(args.output, {"benchmark": benchmark["name"], "checkpoints": entries})
    read = [args.model, *args.checkpoints, *provenance.files_named(benchmark, args.data)]
    outputs = [args.output, *([args.predictions] if args.predictions else [])]
    provenance.record(args.output, vars(args), read, outputs, base=base)


if __name__ == "__main__":
    main()
