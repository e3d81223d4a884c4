"""Pre-train one micro model from scratch on the micro world (or on any folder with the same pretraining/ files).

Reads  DATA/pretraining/documents.jsonl and DATA/pretraining/tokenizer/.
Writes OUTPUT, an ordinary Hugging Face folder (config.json, model.safetensors, tokenizer), with pretraining.json in
it (recipe, loss curve, sizes). Working state lies in --state (state.py) and is removed at the end; after a signal or
a kill the same command goes on from there and ends in the same bits.

    python workflow_scripts/pretrain_micro.py --data results/micro/data --settings "$(cat settings.json)" --seed 0 \\
        --threads 1 --state results/micro/state/micro-qwen/seed-0 --output results/micro/models/micro-qwen/seed-0
"""

import argparse
import json
import os
import time
from dataclasses import asdict, fields
from itertools import islice
from pathlib import Path

import torch
from transformers import AutoTokenizer
from transformers.utils import logging

from jobs import provenance
from jobs.files import read_jsonl, sha256, write_json
from jobs.progress import progress
from jobs.state import State, stamp_of
from micro.documents import batches, encode, left_over
from micro.pretraining import Recipe, Trainer, build_model

OPTIONAL = {"without", "corpus"}  # recipe keys that have a default


def read_recipe(settings: dict) -> Recipe:
    """Check names only; the types are checked by the config's schema."""
    known = {field.name for field in fields(Recipe)}
    for wrong, what in ((set(settings) - known, "unknown key"), (known - OPTIONAL - set(settings), "missing key")):
        if wrong:
            raise SystemExit(f"pretrain settings: {what} {sorted(wrong)[0]!r} (keys: {', '.join(sorted(known))})")
    return Recipe(**settings)


def main(
    data: Path, settings: dict, seed: int, threads: int, state: Path | None, output: Path, state_every: int = 50
) -> None:
    torch.set_num_threads(threads)
    logging.disable_progress_bar()  # of writing one small file
    recipe = read_recipe(settings)
    rows = read_jsonl(data / recipe.corpus / "documents.jsonl", ("text", "kind", "answer_start", "domain"))
    rows = left_over(rows, recipe.without)
    tokenizer = AutoTokenizer.from_pretrained(data / recipe.corpus / "tokenizer")
    inputs = [rows, sha256(data / recipe.corpus / "tokenizer/tokenizer.json")]
    with State(state or output / "state", stamp_of(settings=settings, seed=seed, inputs=inputs), state_every) as held:
        written = pretrain(recipe, rows, tokenizer, seed, output, held)
        held.complete()
    known = {"settings": settings, "seed": seed, "batch_size": recipe.rows}
    read = [data / recipe.corpus / name for name in ("documents.jsonl", "tokenizer/tokenizer.json")]
    provenance.record(output / "pretraining.json", known, read, written)


def pretrain(recipe: Recipe, rows: list[dict], tokenizer, seed: int, output: Path, state: State) -> list[Path]:
    """Train, and write the model; returns its files."""
    model = build_model(recipe, tokenizer, seed)
    trainer = Trainer(model, recipe, tokenizer.pad_token_id)
    if saved := state.load():
        trainer.load_state(saved)

    by_kind = encode(rows, tokenizer, recipe.row_length, recipe.answer_weight)
    stream = batches(by_kind, recipe.mix, recipe.rows, recipe.row_length, tokenizer.pad_token_id, seed)
    stream = islice(stream, trainer.position, recipe.steps)
    bar = progress(range(trainer.position, recipe.steps), f"pre-training {output}")
    started, first = time.monotonic(), trainer.position
    model.train()
    for (ids, weights), step in zip(stream, bar, strict=True):
        loss = trainer.step(ids, weights)
        if (step + 1) % 20 == 0 or step + 1 == recipe.steps:
            trainer.log.append({"step": step + 1, "loss": round(loss, 6)})
        speed = (trainer.position - first) * ids.numel() / (time.monotonic() - started)
        bar.set(loss=loss, tokens_per_second=round(speed))
        if state.due(trainer.position):
            state.save(trainer.position, trainer.state())

    part = output / f".{os.getpid()}.part"
    with state.writing(output):
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)
        record = {"recipe": asdict(recipe), "seed": seed, "loss": trainer.log, "documents": len(rows)}
        record["tokens"] = recipe.steps * recipe.rows * recipe.row_length
        record["parameters"] = sum(parameter.numel() for parameter in model.parameters())
        write_json(part / "pretraining.json", record)
        files = sorted(part.iterdir(), key=lambda file: file.name == "pretraining.json")  # the record comes last
        for file in files:
            os.replace(file, output / file.name)
        part.rmdir()
    return [output / file.name for file in files]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data folder; its pretraining/ is read")
    parser.add_argument("--settings", type=json.loads, required=True, help="JSON of the model's pre-training recipe")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--state", type=Path, help="folder of the working state (default: OUTPUT/state)")
    parser.add_argument("--state-every", type=int, default=50, help="steps between two saved states")
    parser.add_argument("--output", type=Path, required=True, help="folder of the model")
    arguments = parser.parse_args()
    main(**vars(arguments))
