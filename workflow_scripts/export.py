"""Write a cell's chosen model as a complete Hugging Face folder, for people who do not have this project.

Reads the untouched model, the cell's chosen.json and its checkpoint; writes OUTPUT: weights in the layout of the
model's release, configuration, tokenizer, and unlearning.json (step, settings, scores).
    python workflow_scripts/export.py --model MODEL --cell CELL --settings '{"precision": "bfloat16"}' --output FOLDER
    transformers.AutoModelForCausalLM.from_pretrained(FOLDER)
"""

import os
import shutil
from pathlib import Path

from transformers import AutoTokenizer

from jobs import provenance, stage
from jobs.files import read_json, write_json
from moe.delta import applied, base_hash
from moe.loading import load_model
from planning import cell_files

CHOICE = "balance"  # of the choices in chosen.json


def main() -> None:
    parser = stage.parser(__doc__, "settings", "model", "output")
    parser.add_argument("--cell", required=True, type=Path, help="folder with chosen.json, manifest.json, checkpoints/")
    args = parser.parse_args()
    files = [args.cell / name for name in (cell_files.CHOSEN, cell_files.MANIFEST)]
    choices, manifest = map(read_json, files)
    chosen = choices[CHOICE]
    checkpoint = args.cell / cell_files.CHECKPOINTS / cell_files.checkpoint(chosen["step"])
    if not checkpoint.is_file():
        raise SystemExit(f"{checkpoint}: no such file; was the checkpoint removed after the choice?")
    base = base_hash(args.model)
    model = load_model(args.model, args.settings["precision"])
    part = args.output.with_name(f".{args.output.name}.{os.getpid()}.part")
    with applied(model, checkpoint, base):
        model.save_pretrained(part)
    AutoTokenizer.from_pretrained(args.model).save_pretrained(part)
    settings = {key: manifest[key] for key in ("method", "scope", "training", "learning_rate", "seed", "selection")}
    scores = {key: chosen[key] for key in ("step", "status", "note", "collapsed", "fa", "ut")}
    write_json(part / "unlearning.json", {"base": base, "choice": CHOICE, "settings": settings} | scores)
    written = [path for path in part.iterdir() if path.is_file()]
    given = vars(args) | {"seed": manifest["seed"]}
    provenance.record(part / "unlearning.json", given, [args.model, checkpoint, *files], written, base=base)
    if args.output.exists():
        shutil.rmtree(args.output)
    os.replace(part, args.output)


if __name__ == "__main__":
    main()
