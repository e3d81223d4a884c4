"""Score every checkpoint of a cell on the benchmark's tests, in one pass.

Reads a model folder, the tests named in the benchmark block and deltas step-NNNN.safetensors (none: the model as it
is, step 0); writes metrics.json (all scores, no dates: equal results are equal bytes) and predictions.jsonl.gz (one
row per checkpoint and question).
    python workflow_scripts/evaluate.py --model MODEL --data DATA --benchmark '{"name": "wmdp-cyber", ...}' \\
        --checkpoints CELL/checkpoints/*.safetensors --halves development test --batch-size 64 --threads 1 \\
        --output CELL/metrics.json --predictions CELL/predictions.jsonl.gz
"""

import argparse
import gzip
import io
import json
import logging
import os
import re
from contextlib import nullcontext
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # models and data are local files; nothing may wait for a network

import torch
import transformers
from transformers import AutoTokenizer

from benchmarks.choice import checked, shown_steps
from benchmarks.generation import Generation, Generator
from benchmarks.halves import HALVES
from benchmarks.likelihood import LanguageModel
from benchmarks.multiple_choice import MultipleChoice
from benchmarks.muse import KnowMem, PrivLeak, VerbMem
from jobs import provenance
from jobs.files import read_json, write_json
from jobs.progress import progress
from moe.delta import applied, base_hash, lowest_changed
from moe.loading import PRECISIONS, load_model
from moe.upper_layers import Reuse, reuse_prefix_

KINDS = {
    "multiple_choice": MultipleChoice,
    "generation": Generation,
    "verbmem": VerbMem,
    "knowmem": KnowMem,
    "privleak": PrivLeak,
}
DECIDING = ("forget", "utility")  # the tests whose collapse is the checkpoint's; others are reported only


def read_tests(benchmark: dict, data: Path, halves: list[str]) -> dict:
    """The tests of a benchmark block by name (`forget` for `forget_test`, …), their questions read and checked."""
    tests = {}
    for key, block in benchmark.items():
        if not key.endswith("_test"):
            continue
        if block["kind"] not in KINDS:
            raise SystemExit(f"{benchmark['name']}: {key}: kind {block['kind']!r} is none of {', '.join(KINDS)}")
        tests[key.removesuffix("_test")] = KINDS[block["kind"]](f"{benchmark['name']}: {key}", block, data, halves)
    for name in DECIDING:
        if name not in tests:
            raise SystemExit(f"{benchmark['name']}: {name}_test is missing")
    return tests


def step_of(path: Path) -> int:
    match = re.fullmatch(r"step-(\d+)\.safetensors", path.name)
    if not match:
        raise SystemExit(f"{path}: a checkpoint must be called step-NNNN.safetensors")
    return int(match.group(1))


def evaluate(tests: dict, speakers: dict, step: int) -> tuple[dict, list[dict]]:
    """Entry of metrics.json and prediction rows of the model as it is now.

    speakers: what answers each class of test, lm-eval's model or the generator.
    """
    entry: dict = {"step": step, "collapse_measures": {}, "collapse_reasons": [], "extra": {}}
    rows = []
    for name, test in tests.items():
        scores, parts, measures, reasons, answers = test.answer(speakers[type(test)])
        if name not in DECIDING:
            entry["extra"][name] = scores
        else:
            entry[name] = scores
            entry["collapse_measures"][name] = measures
            entry["collapse_reasons"] += [f"{name}: {reason}" for reason in reasons]
        entry["extra"] |= {part if name == "forget" else f"{name}_{part}": score for part, score in parts.items()}
        rows += [{"step": step, "test": name} | row for row in answers]
    return entry | {"collapsed": bool(entry["collapse_reasons"])}, rows


def merge(entry: dict, tested: dict) -> None:
    """Add the scores on further questions to a checkpoint's entry. Collapse stays as judged: the choice rests on it."""
    for name in DECIDING:
        entry[name] |= tested[name]
    for name, scores in tested["extra"].items():
        entry["extra"].setdefault(name, {}).update(scores)


def write_gzip(path: Path, rows: list[dict]) -> None:
    """JSON lines, compressed without a time stamp, so that equal rows are equal bytes."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as file:
        file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    temporary.write_bytes(buffer.getvalue())
    os.replace(temporary, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--benchmark", type=json.loads, required=True, help="the benchmark's config block and its name, as JSON"
    )
    parser.add_argument("--checkpoints", type=Path, nargs="*", default=[])
    parser.add_argument("--manifest", type=Path, help="the cell's: every checkpoint that it names must be there")
    parser.add_argument("--halves", nargs="+", choices=HALVES, default=list(HALVES))
    parser.add_argument(
        "--test-shown",
        type=Path,
        metavar="ORIGINAL",
        help="the untouched model's metrics.json: score "
        "the test half of those checkpoints only that a table may show, as chosen on the development half",
    )
    parser.add_argument("--threshold", type=float, default=0.27, help="as choose_checkpoint.py's")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--batch-size", type=int, default=64, help="fixed: scores move in the last digits with it")
    parser.add_argument("--limit-gb", type=float, default=8.0, help="hidden states to keep in memory")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--predictions", type=Path)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    steps = {step_of(path): path for path in args.checkpoints} or {0: None}
    for name in read_json(args.manifest)["checkpoints"] if args.manifest else ():
        if name not in {path.name for path in args.checkpoints}:
            raise SystemExit(
                f"{args.manifest.parent}/checkpoints/{name}: was removed after the choice; to evaluate again, unlearn "
                f"this cell again (name {args.manifest} as a target, with --force)"
            )
    tests = read_tests(args.benchmark, args.data, args.halves)
    model = load_model(args.model, args.precision)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    # What lies below the layers that the checkpoints change runs once a question, not once a checkpoint.
    lowest = lowest_changed(model, args.checkpoints) if len(steps) > 1 else 0
    prefix = reuse_prefix_(model, lowest, Reuse(1e9 * args.limit_gb), [], args.batch_size)
    speakers = dict.fromkeys(KINDS.values(), Generator(model, tokenizer, args.batch_size))
    speakers[MultipleChoice] = LanguageModel(model, tokenizer, args.batch_size, prefix)
    base = base_hash(args.model)

    entries, rows = [], []
    bar = progress(sorted(steps), f"evaluating for {args.output}", unit="checkpoint")
    for step in bar:
        with applied(model, steps[step], base) if steps[step] else nullcontext():
            entry, answers = evaluate(tests, speakers, step)
        entries.append(entry)
        rows += answers
        bar.set(**{name: next(iter(entry[name].values()))["value"] for name in DECIDING})
    if args.test_shown:
        tests = read_tests(args.benchmark, args.data, ["test"])
        original = checked(read_json(args.test_shown), args.test_shown, "development")[0]
        shown = shown_steps(entries, original, args.threshold)
        for entry in [entry for entry in entries if entry["step"] in shown]:
            with applied(model, steps[entry["step"]], base):
                tested, answers = evaluate(tests, speakers, entry["step"])
            merge(entry, tested)
            rows += answers
    if args.predictions:
        write_gzip(args.predictions, rows)
    write_json(args.output, {"benchmark": args.benchmark["name"], "checkpoints": entries})
    tests = provenance.files_named(args.benchmark, args.data)
    outputs = [args.output, *([args.predictions] if args.predictions else [])]
    provenance.record(args.output, vars(args), [args.model, *args.checkpoints, *tests], outputs, base=base)


if __name__ == "__main__":
    main()
