"""Unlearn one cell: model x benchmark x method x scope x seed.

Reads a model folder, the forget and retain texts, a selection and a learning rate (in the settings or in --tuned);
writes into --output the deltas checkpoints/step-NNNN.safetensors, trajectory.json (losses at every step, routing at
every checkpoint), parameters.json (what really trained) and manifest.json. Interrupt it at any time; run it again to
resume from the working state in --state, with results equal to the last bit.
    python workflow_scripts/unlearn.py --model MODEL --data DATA --selection selection.json --seed 0 --output CELL \\
        --settings '{"benchmark": {...}, "method": {"name": "ga"}, "scope": {"kind": "uoe", "alpha": 1.0},
                     "training": {...}, "learning_rate": 3e-4}'
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from benchmarks.texts import forget_texts, retain_texts
from jobs import provenance, stage
from jobs.files import read_json, sha256, write_json
from jobs.group import Group
from jobs.state import State, publish, stamp_of
from moe import libraries
from moe.delta import base_hash, save_delta
from moe.loading import load_model
from moe.upper_layers import Reuse
from planning import cell_files
from unlearning.run import unlearn
from unlearning.settings import with_tuned
from unlearning.texts import pack_texts


def main() -> None:
    options = ("settings", "model", "data", "seed", "threads", "state", "state-every", "limit-gb", "output")
    parser = stage.parser(__doc__, *options)
    parser.add_argument("--selection", required=True, type=Path)
    parser.add_argument("--tuned", nargs="?", type=Path, help="tuning file, if the settings have no learning rate")
    parser.add_argument("--token-weights", nargs="?", type=Path, help="safetensors file of weigh_retain_tokens.py")
    parser.add_argument("--prefix", nargs="?", type=Path, help="file of cache_prefix.py")
    args = parser.parse_args()
    libraries.set_up(args.threads)
    torch.manual_seed(args.seed)
    with Group() as group:
        with group.fail_together():
            selection = read_json(args.selection)
            settings = args.settings = used_settings(args, selection)
            texts = [read(settings["benchmark"], args.data) for read in (forget_texts, retain_texts)]
            base = base_hash(args.model)
            small = {file.name: sha256(file) for file in args.model.glob("*.json")}  # configuration and tokenizer
            if args.token_weights and not args.token_weights.is_file():
                raise SystemExit(f"{args.token_weights}: no such file; weigh_retain_tokens.py writes it")
            stage.load("methods", settings["method"]["name"])  # their code is part of the stamp
            stage.load("scopes", settings["scope"]["kind"])
        inputs = [selection, texts, base, small, args.token_weights and sha256(args.token_weights)]
        stamp = stamp_of(settings=[settings, args.seed, group.size], inputs=inputs)
        with State(args.state or args.output / "state", stamp, args.state_every, group) as state:
            records = run_cell(args, texts, selection, base, state)
            with group.fail_together():
                if not group.rank:
                    write(args, selection, base, state, records)
            state.complete()


def used_settings(args: argparse.Namespace, selection: dict) -> dict:
    """The settings with the tuned values and the hook layer that are really used."""
    settings = args.settings
    if ("learning_rate" in settings) == bool(args.tuned):
        raise SystemExit("learning rate: exactly one of --settings (learning_rate) and --tuned must give it")
    tuned = read_json(args.tuned)["chosen"] if args.tuned else {"learning_rate": settings["learning_rate"]}
    return with_tuned(settings, tuned, selection)


def run_cell(args: argparse.Namespace, texts: list, selection: dict, base: str, state: State) -> dict[str, dict]:
    """Unlearn; returns the records by file name. Until the end, checkpoints stay in the state folder."""
    settings, scope, group = args.settings, args.settings["scope"], state.group
    reuse = Reuse(1e9 * args.limit_gb, args.prefix, base)
    # If the file holds all hidden states, the layers below need not be on the GPU (`move_to_gpu_`).
    on_cpu = group.size > 1 or (torch.cuda.device_count() == 1 and reuse.complete())
    model = load_model(args.model, settings["training"].get("precision", "float32"), on_cpu=on_cpu)
    rank = scope.get("rank") if scope["kind"] == "lora" else None
    folder = state.folder / cell_files.CHECKPOINTS
    folder.mkdir(exist_ok=True)

    def save(step: int) -> None:
        path = folder / cell_files.checkpoint(step)
        with group.fail_together(), state.writing(path):
            save_delta(model, None if group.rank else path, base, rank)
            if not group.rank:
                state.keep(path)

    weights = load_file(args.token_weights)["weights"] if args.token_weights else None
    blocks = pack_texts(AutoTokenizer.from_pretrained(args.model), *texts, settings, weights)
    given = {"state": state, "reuse": reuse, "group": group, "label": f"unlearning {args.output}"}
    trajectory, parameters = unlearn(model, blocks, settings, selection, args.seed, save, **given)
    return {cell_files.TRAJECTORY: trajectory, cell_files.PARAMETERS: parameters}


def write(args: argparse.Namespace, selection: dict, base: str, state: State, records: dict[str, dict]) -> None:
    """Publish the checkpoints and write the manifest and the records."""
    settings, folder = args.settings, state.folder / cell_files.CHECKPOINTS
    hashes = {file.name: sha256(file) for file in sorted(folder.glob("*.safetensors"))}
    manifest = {  # an input of evaluations: versions and the like stand in the provenance, which is not
        "base": base,
        **{key: settings[key] for key in ("method", "scope", "training", "learning_rate")},
        "seed": args.seed,
        "selection": selection,
        "processes": state.group.size,
        "effective_batch": settings["training"]["batch_size"],  # rows per step, over all processes
        "checkpoints": hashes,
    }
    contents = {cell_files.MANIFEST: manifest} | records
    with state.writing(args.output):
        publish(folder, args.output / cell_files.CHECKPOINTS)
        for name, content in contents.items():
            write_json(args.output / name, content)
    outputs = [args.output / name for name in contents]
    inputs = [args.model, args.selection, *provenance.files_named(settings["benchmark"], args.data)]
    inputs += [path for path in (args.tuned, args.token_weights) if path]
    provenance.record(outputs[0], vars(args), inputs, outputs, base=base, checkpoints=hashes)


if __name__ == "__main__":
    main()
