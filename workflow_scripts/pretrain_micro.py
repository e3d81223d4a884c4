"""Pre-train one micro model from scratch on a study's documents.

Reads DATA/pretraining/documents.jsonl and DATA/pretraining/tokenizer/ (or those of another `corpus` of the recipe).
Writes OUTPUT, an ordinary Hugging Face folder (config.json, model.safetensors, tokenizer), with pretraining.json in it
(recipe, loss curve, sizes). The working state lies in --state and is removed at the end. Interrupt it at any time; run
it again to resume: it ends in the same bits.
    python workflow_scripts/pretrain_micro.py --data results/micro/data/seed-0 --seed 0 --threads 1 \\
        --settings "$(cat settings.json)" --state results/micro/state/micro-qwen/seed-0 \\
        --output results/micro/models/micro-qwen/seed-0
"""

import os
import time
from dataclasses import asdict, fields
from itertools import islice
from pathlib import Path

from torch import nn
from transformers import AutoTokenizer

from jobs import provenance
from jobs.files import read_jsonl, sha256, write_json
from jobs.progress import progress
from jobs.stage import parser
from jobs.state import State, stamp_of
from micro.documents import batches, encode, left_over
from micro.pretraining import Recipe, Trainer, build_model
from moe import libraries

OPTIONAL = {"without", "corpus"}  # recipe keys that have a default


def read_recipe(settings: dict) -> Recipe:
    """Check names only; the types are checked by the config's schema."""
    names = {field.name for field in fields(Recipe)}
    for wrong, what in ((set(settings) - names, "unknown key"), (names - OPTIONAL - set(settings), "missing key")):
        if wrong:
            raise SystemExit(f"pretrain settings: {what} {sorted(wrong)[0]!r} (keys: {', '.join(sorted(names))})")
    return Recipe(**settings)


def pretrain(data: Path, settings: dict, seed: int, state: Path | None, output: Path, state_every: int = 50) -> None:
    """Train one model and write its folder; `settings` is the recipe, `state` where it resumes from."""
    recipe = read_recipe(settings)
    rows = read_jsonl(data / recipe.corpus / "documents.jsonl", ("text", "kind", "answer_start", "domain"))
    rows = left_over(rows, recipe.without)
    tokenizer = AutoTokenizer.from_pretrained(data / recipe.corpus / "tokenizer")
    inputs = [rows, sha256(data / recipe.corpus / "tokenizer/tokenizer.json")]
    with State(state or output / "state", stamp_of(settings=settings, seed=seed, inputs=inputs), state_every) as held:
        model = build_model(recipe, tokenizer, seed)
        losses = train(model, recipe, rows, tokenizer, seed, held, f"pre-training {output}")
        record = {"recipe": asdict(recipe), "seed": seed, "loss": losses, "documents": len(rows)}
        record["tokens"] = recipe.steps * recipe.rows * recipe.row_length
        record["parameters"] = sum(parameter.numel() for parameter in model.parameters())
        with held.writing(output):
            written = save(model, tokenizer, record, output)
        held.complete()
    facts = {"settings": settings, "seed": seed, "batch_size": recipe.rows}
    read = [data / recipe.corpus / name for name in ("documents.jsonl", "tokenizer/tokenizer.json")]
    provenance.record(output / "pretraining.json", facts, read, written)


def train(
    model: nn.Module, recipe: Recipe, rows: list[dict], tokenizer, seed: int, state: State, title: str
) -> list[dict]:
    """Train from the saved state, if there is one; returns the loss curve."""
    trainer = Trainer(model, recipe, tokenizer.pad_token_id)
    if saved := state.load():
        trainer.load_state(saved)
    by_kind = encode(rows, tokenizer, recipe.row_length, recipe.answer_weight)
    stream = batches(by_kind, recipe.mix, recipe.rows, recipe.row_length, tokenizer.pad_token_id, seed)
    stream = islice(stream, trainer.position, recipe.steps)
    bar = progress(range(trainer.position, recipe.steps), title)
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
    return trainer.log


def save(model: nn.Module, tokenizer, record: dict, output: Path) -> list[Path]:
    """Write the model folder, the record last; returns its files."""
    part = output / f".{os.getpid()}.part"
    model.save_pretrained(part)
    tokenizer.save_pretrained(part)
    write_json(part / "pretraining.json", record)
    files = sorted(part.iterdir(), key=lambda file: file.name == "pretraining.json")
    for file in files:
        os.replace(file, output / file.name)
    part.rmdir()
    return [output / file.name for file in files]


def main() -> None:
    options = ("settings", "data", "seed", "threads", "state", "state-every", "output")
    args = parser(__doc__, *options).parse_args()
    libraries.set_up(args.threads)
    pretrain(args.data, args.settings, args.seed, args.state, args.output, args.state_every)


if __name__ == "__main__":
    main()
