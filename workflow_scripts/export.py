"""Write a cell's chosen model as a complete Hugging Face folder, for people who do not have this project.

Reads the untouched model, the cell's chosen.json and its checkpoint; writes OUTPUT: weights in the layout of the
model's release, configuration, tokenizer, and unlearning.json (cell, step, settings, scores).
    python workflow_scripts/export.py --model MODEL --cell CELL --choice balance --precision bfloat16 --output FOLDER
    transformers.AutoModelForCausalLM.from_pretrained(FOLDER)
"""

import argparse
import os
import shutil
from pathlib import Path

from transformers import AutoTokenizer

from jobs import provenance
from jobs.files import read_json, write_json
from moe.delta import applied, base_hash
from moe.loading import PRECISIONS, load_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--cell", required=True, type=Path, help="folder with chosen.json, manifest.json, checkpoints/")
    parser.add_argument("--choice", default="balance", help="which of the choices in chosen.json")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    choices, manifest = read_json(args.cell / "chosen.json"), read_json(args.cell / "manifest.json")
    if args.choice not in choices:
        raise SystemExit(f"{args.cell / 'chosen.json'}: no choice {args.choice!r} (there: {', '.join(choices)})")
    chosen = choices[args.choice]
    checkpoint = args.cell / "checkpoints" / f"step-{chosen['step']:04d}.safetensors"
    if not checkpoint.is_file():
        raise SystemExit(f"{checkpoint}: no such file; was the checkpoint removed after the choice?")
    base = base_hash(args.model)
    model = load_model(args.model, args.precision)
    part = args.output.with_name(f".{args.output.name}.{os.getpid()}.part")
    with applied(model, checkpoint, base):
        model.save_pretrained(part)
    AutoTokenizer.from_pretrained(args.model).save_pretrained(part)
    settings = {key: manifest[key] for key in ("method", "scope", "training", "learning_rate", "seed", "selection")}
    scores = {key: chosen[key] for key in ("step", "status", "note", "collapsed", "forget", "utility")}
    record = {"base": base, "choice": args.choice, "settings": settings} | scores
    write_json(part / "unlearning.json", record)
    read = [args.model, checkpoint, args.cell / "chosen.json", args.cell / "manifest.json"]
    written = [path for path in part.iterdir() if path.is_file()]
    provenance.record(part / "unlearning.json", vars(args) | {"seed": manifest["seed"]}, read, written, base=base)
    if args.output.exists():
        shutil.rmtree(args.output)
    os.replace(part, args.output)


if __name__ == "__main__":
    main()
