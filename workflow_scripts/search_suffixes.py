"""Search suffixes by gradients (GCG) for questions of one cell's chosen checkpoint: one part of them.

Reads a model folder, the cell's checkpoints and chosen.json, and its benchmark's forget test, which must be answered in
free text (kind generation, as RWKU's): a suffix is to make a reply begin with an affirmative target, and options that
are scored are no reply. Writes each question's suffix (token ids), the target's loss after the first suffix and after
the one found (nats a token), and the share of candidates that could be typed. attack_prompts.py asks with them.

Each question's search depends on that question alone, so that parts may run side by side; with --state a job that is
stopped or killed goes on after the last question that was done.
    python workflow_scripts/search_suffixes.py --model MODEL --data DATA --benchmark '{"name": "rwku", ...}' \\
        --cell CELL --attack '{"kind": "gcg", ...}' --part 0 --batch-size 64 --output suffixes-0.json
"""

import argparse
import json
import os
from dataclasses import asdict
from functools import partial
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # models and data are local files; nothing may wait for a network

import torch
import transformers
from transformers import AutoTokenizer

from benchmarks.attacked import Question, attacked, digest, question_of
from benchmarks.generation import Generator
from jobs import provenance
from jobs.files import read_json, sha256, write_json
from jobs.progress import progress
from jobs.state import State, stamp_of
from moe.delta import applied, base_hash
from moe.gcg import find_suffix
from moe.loading import PRECISIONS, load_model


def allowed_tokens(model, tokenizer) -> torch.Tensor:
    """`[V]`: printable ASCII that is no special token, as GCG has it."""
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    texts = tokenizer.batch_decode([[token] for token in range(len(tokenizer))])
    good = [token for token, text in enumerate(texts) if text and text.isascii() and text.isprintable()]
    allowed = torch.zeros(len(model.get_input_embeddings().weight), dtype=torch.bool)
    allowed[[token for token in good if token not in special]] = True
    return allowed


def search(
    generator: Generator, questions: list[Question], chat: bool, settings: dict, what: str, state: State
) -> list[dict]:
    """Each question, its suffix and the figures of the search (`moe.gcg.Found`)."""
    allowed = allowed_tokens(generator.model, generator.tokenizer)
    saved = state.load()
    found = saved["found"] if saved else []
    bar = progress(questions[len(found) :], f"suffixes for {what}", unit="prompt")
    for question in bar:
        draw = torch.Generator().manual_seed(int.from_bytes(digest(question.probe)[:7]))
        survive = partial(question.survive, generator, chat)
        one = find_suffix(generator.model, question.prompt, allowed, survive, settings, draw, generator.batch_size)
        found.append({"query": question.probe["query"]} | asdict(one))
        bar.set(loss=one.last)
        if state.due(len(found)):
            state.save(len(found), {"found": found})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--benchmark", type=json.loads, required=True, help="its name and forget test, as JSON")
    parser.add_argument("--cell", type=Path, required=True, help="folder of the cell")
    parser.add_argument("--attack", type=json.loads, required=True, help="kind and settings, as JSON")
    parser.add_argument("--part", type=int, default=0, help="of the attack's `parts`, from 0")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--state", type=Path, help="folder of the saved state (default: beside the output)")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    transformers.utils.logging.disable_progress_bar()
    settings, block = args.attack, args.benchmark["forget_test"]
    _, probes = attacked(args.benchmark, args.data, settings)
    probes = probes[args.part :: settings["parts"]]
    chosen = read_json(args.cell / "chosen.json")["balance"]
    delta = args.cell / "checkpoints" / f"step-{chosen['step']:04d}.safetensors"
    base = base_hash(args.model)
    small = {file.name: sha256(file) for file in args.model.glob("*.json")}  # configuration and tokenizer
    inputs = [base, small, sha256(delta), probes]
    stamp = stamp_of(settings=[settings, block["chat_template"], args.batch_size, args.precision], inputs=inputs)
    with State(args.state or args.output.with_suffix(".state"), stamp, 1) as state:
        model, tokenizer = load_model(args.model, args.precision), AutoTokenizer.from_pretrained(args.model)
        model.requires_grad_(False)
        generator, chat = Generator(model, tokenizer, args.batch_size), block["chat_template"]
        questions = [question_of(generator, probe, chat, settings) for probe in probes]
        with applied(model, delta, base):
            found = search(generator, questions, chat, settings, str(args.output), state)
        with state.writing(args.output):
            write_json(args.output, {"attack": settings, "part": args.part, "step": chosen["step"], "found": found})
        state.complete()
    read = [args.model, delta, args.cell / "chosen.json", *provenance.files_named(block, args.data)]
    provenance.record(args.output, vars(args), read, [args.output], base=base)


if __name__ == "__main__":
    main()
