"""Search suffixes by gradients (GCG) for questions to one cell's chosen checkpoint: one part of the questions.

Reads a model folder, the cell's checkpoints and chosen.json, and its benchmark's forget test, which must be answered in
free text (kind generation, as RWKU's): a suffix shall make the reply begin with an affirmative target, and scored
options are no reply. Writes each question's suffix (token ids), the target's loss with the first and with the best
suffix (nats per token), and the share of candidates that could be typed. attack_prompts.py asks with these suffixes.

A question's search depends on that question alone, so parts may run side by side. With --state an interrupted job
resumes after the last finished question.
    python workflow_scripts/search_suffixes.py --model MODEL --data DATA --cell CELL --part 0 \\
        --settings '{"benchmark": {"name": "rwku", ...}, "attack": {"kind": "gcg", ...}, "batch_size": 64,
        "precision": "float32"}' --output suffixes-0.json
"""

from dataclasses import asdict
from functools import partial

import torch

from benchmarks.attacked import Question, attacked, digest, question_of
from benchmarks.checkpoints import chosen_checkpoint, load
from benchmarks.generation import TextGenerator
from jobs import provenance
from jobs.files import sha256, write_json
from jobs.progress import progress
from jobs.stage import parser
from jobs.state import State, stamp_of
from moe import libraries
from moe.delta import applied, base_hash
from moe.gcg import find_suffix
from planning import cell_files


def allowed_tokens(model, tokenizer) -> torch.Tensor:
    """`[V]`: printable ASCII that is no special token, as GCG has it."""
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    texts = tokenizer.batch_decode([[token] for token in range(len(tokenizer))])
    good = [token for token, text in enumerate(texts) if text and text.isascii() and text.isprintable()]
    allowed = torch.zeros(len(model.get_input_embeddings().weight), dtype=torch.bool)
    allowed[[token for token in good if token not in special]] = True
    return allowed


def search(
    generator: TextGenerator, questions: list[Question], chat: bool, settings: dict, what: str, state: State
) -> list[dict]:
    """Each question, its suffix and the figures of the search (`moe.gcg.Found`)."""
    allowed = allowed_tokens(generator.model, generator.tokenizer)
    saved = state.load()
    rows = saved["suffixes"] if saved else []
    bar = progress(questions[len(rows) :], f"suffixes for {what}", unit="prompt")
    for question in bar:
        draw = torch.Generator().manual_seed(int.from_bytes(digest(question.probe)[:7]))
        survive = partial(question.survive, generator, chat)
        best = find_suffix(generator.model, question.prompt, allowed, survive, settings, draw, generator.batch_size)
        rows.append({"query": question.probe["query"]} | asdict(best))
        bar.set(loss=best.last)
        if state.due(len(rows)):
            state.save(len(rows), {"suffixes": rows})
    return rows


def main() -> None:
    arguments = parser(__doc__, "settings", "model", "data", "cell", "state", "threads", "output")
    arguments.add_argument("--part", type=int, default=0, help="of the attack's `parts`, from 0")
    args = arguments.parse_args()
    libraries.set_up(args.threads)
    settings, block = args.settings["attack"], args.settings["benchmark"]["forget_test"]
    _, probes = attacked(args.settings["benchmark"], args.data, settings)
    probes = probes[args.part :: settings["parts"]]
    batch_size, precision, chat = args.settings["batch_size"], args.settings["precision"], block["chat_template"]
    choice, delta = chosen_checkpoint(args.cell)
    base = base_hash(args.model)
    small = {file.name: sha256(file) for file in args.model.glob("*.json")}  # configuration and tokenizer
    stamp = stamp_of(settings=[settings, chat, batch_size, precision], inputs=[base, small, sha256(delta), probes])
    with State(args.state or args.output.with_suffix(".state"), stamp, 1) as state:
        model, tokenizer = load(args.model, precision)
        model.requires_grad_(False)
        generator = TextGenerator(model, tokenizer, batch_size)
        questions = [question_of(generator, probe, chat, settings) for probe in probes]
        with applied(model, delta, base):
            rows = search(generator, questions, chat, settings, str(args.output), state)
        with state.writing(args.output):
            write_json(args.output, {"attack": settings, "part": args.part, "step": choice["step"], "suffixes": rows})
        state.complete()
    read = [args.model, delta, args.cell / cell_files.CHOSEN, *provenance.files_named(block, args.data)]
    provenance.record(args.output, vars(args), read, [args.output], base=base)


if __name__ == "__main__":
    main()
