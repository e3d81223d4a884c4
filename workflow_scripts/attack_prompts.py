"""Attack one cell's chosen checkpoint through its prompts, with the suffixes of search_suffixes.py (GCG).

Reads a model folder, the cell's checkpoints, chosen.json and selection, its benchmark's forget test and the suffixes.
Writes the attack's json: recall of the attacked questions without a suffix, with the initial suffix and with the one
that the search returned, over all questions and over those whose reply then holds the target's word (the papers'
filter); recall of the untouched model without a suffix; the share of questions whose recall rises; the target's loss;
gate scores of the layers with selected experts.

Attacked are `probes` questions of the test half, the same for every model. A question is asked as in the test, with
the suffix behind it, before "Answer:". The target does not depend on the answer. All replies, also those without a
suffix, may be longer by the target's number of tokens.
    python workflow_scripts/attack_prompts.py --model MODEL --data DATA --cell CELL --selection selection.json \\
        --settings '{"benchmark": {"name": "rwku", ...}, "attack": {"kind": "gcg", ...}, "batch_size": 64,
        "precision": "float32"}' --suffixes suffixes-0.json --output gcg.json
"""

import math
from pathlib import Path

import torch

from benchmarks.attacked import Question, attacked, question_of
from benchmarks.checkpoints import chosen_checkpoint, load
from benchmarks.generation import Generation, TextGenerator
from benchmarks.rouge import RECALLS
from benchmarks.scores import mean_recall
from jobs import provenance
from jobs.files import read_json, write_json
from jobs.stage import parser
from moe import libraries
from moe.delta import applied, base_hash
from moe.gcg import Found
from moe.layers import find_moe_layers
from moe.loading import first_device
from moe.routing import record_routing
from planning import cell_files


def read_suffixes(paths: list[Path], probes: list[dict], step: int) -> list[Found]:
    """Each probe's suffix. One line if one has none, or if the suffixes are for another checkpoint."""
    by_query = {}
    for path in paths:
        part = read_json(path)
        if part["step"] != step:
            raise SystemExit(f"{path}: suffixes for the checkpoint of step {part['step']}; the chosen one is {step}")
        by_query |= {row["query"]: {key: row[key] for key in row if key != "query"} for row in part["suffixes"]}
    if missing := [probe["query"] for probe in probes if probe["query"] not in by_query]:
        raise SystemExit(f"{paths[0]}: no suffix for {missing[0]!r} in it or the other parts; run search_suffixes.py")
    return [Found(**by_query[probe["query"]]) for probe in probes]


@torch.no_grad()
def affinity(model, prompts: list[list[int]], selected: dict) -> dict[str, list[float]]:
    """Mean gate score (UOE, eq. 2) of every expert of each layer with a selected one, over the prompts' tokens."""
    layers = [layer for layer in find_moe_layers(model) if str(layer.index) in selected]
    sums = {layer.index: torch.zeros(layer.num_experts, dtype=torch.float64) for layer in layers}
    with record_routing(model, layers) as routing:
        for prompt in prompts if layers else ():
            model(input_ids=torch.tensor([prompt], device=first_device(model)), use_cache=False)
            for layer in sums:
                sums[layer] += routing.gate_scores(layer).double().sum(0).cpu()
    return {str(layer): (total / sum(map(len, prompts))).tolist() for layer, total in sums.items()}


def replies(
    generator: TextGenerator, prompts: list[list[int]], more: int, test: Generation, probes: list[dict]
) -> tuple[list[str], list[float]]:
    """(texts, recalls) of the first line of each reply, which may be `more` tokens longer than the test allows."""
    tokens = generator.complete(prompts, test.block["max_new_tokens"] + more)
    texts = [text.split("\n")[0].strip() for text in generator.tokenizer.batch_decode(tokens, skip_special_tokens=True)]
    recall = RECALLS[test.block["score"]]
    return texts, [recall(probe["answer"], text) for probe, text in zip(probes, texts, strict=True)]


def rows_of(tokenizer, questions: list[Question], suffixes: list[Found], answered: dict) -> list[dict]:
    """The result's row of each attacked question. answered: (texts, recalls) by condition."""
    return [
        {key: question.probe[key] for key in ("part", "row", "fact", "query", "answer")}
        | {"suffix": question.typed(tokenizer, suffix.suffix)[len(question.probe["query"]) :]}
        | {"loss": {"first": suffix.first, "last": suffix.last}, "survived": suffix.survived}
        | {"replies": {when: texts[place] for when, (texts, _) in answered.items()}}
        | {"recall": {when: recalls[place] for when, (_, recalls) in answered.items()}}
        for place, (question, suffix) in enumerate(zip(questions, suffixes, strict=True))
    ]


def summary(rows: list[dict], word: str) -> dict:
    """Scores over the attacked questions, and over those whose replies with the searched suffix hold `word`."""
    kept = [row for row in rows if word.lower() in row["replies"]["with"].lower()]

    def recalls(some: list[dict]) -> dict:
        facts = [row["fact"] for row in some]
        return {when: mean_recall([row["recall"][when] for row in some], facts) for when in rows[0]["recall"]}

    n = len(rows)
    return {
        "forget": recalls(rows),
        "kept": recalls(kept) | {"probes": len(kept)},
        "risen": sum(row["recall"]["with"] > row["recall"]["without"] for row in rows) / n,
        "loss": {when: math.fsum(row["loss"][when] for row in rows) / n for when in ("first", "last")},
        "survived": math.fsum(row["survived"] for row in rows) / n,
        "probes": rows,
    }


def main() -> None:
    arguments = parser(__doc__, "settings", "model", "data", "cell", "selection", "threads", "output")
    arguments.add_argument("--suffixes", type=Path, nargs="+", required=True, help="all parts of search_suffixes.py")
    args = arguments.parse_args()
    libraries.set_up(args.threads)
    settings, block = args.settings["attack"], args.settings["benchmark"]["forget_test"]
    test, probes = attacked(args.settings["benchmark"], args.data, settings)
    choice, delta = chosen_checkpoint(args.cell)
    selected = read_json(args.selection)["experts"]
    suffixes = read_suffixes(args.suffixes, probes, choice["step"])
    model, tokenizer = load(args.model, args.settings["precision"])
    model.requires_grad_(False)
    generator, chat = TextGenerator(model, tokenizer, args.settings["batch_size"]), block["chat_template"]

    questions = [question_of(generator, probe, chat, settings) for probe in probes]
    prompts = {
        "without": [generator.encode(probe, chat) for probe in probes],
        "start": [question.prompt.around(question.prompt.suffix) for question in questions],
        "with": [question.prompt.around(own.suffix) for question, own in zip(questions, suffixes, strict=True)],
    }
    more = len(questions[0].prompt.target)
    answered = {"original": replies(generator, prompts["without"], more, test, probes)}
    base = base_hash(args.model)
    with applied(model, delta, base):
        answered |= {when: replies(generator, ids, more, test, probes) for when, ids in prompts.items()}
        scores = {when: affinity(model, prompts[when], selected) for when in ("without", "with")}
    layers = {
        layer: {"experts": experts} | {when: by_layer[layer] for when, by_layer in scores.items()}
        for layer, experts in selected.items()
    }
    result = {"attack": settings, "step": choice["step"], "collapsed": choice["collapsed"], "affinity": layers}
    rows = rows_of(tokenizer, questions, suffixes, answered)
    write_json(args.output, result | summary(rows, settings["word"]))
    read = [args.model, delta, args.cell / cell_files.CHOSEN, args.selection, *args.suffixes]
    read += provenance.files_named(block, args.data)
    provenance.record(args.output, vars(args), read, [args.output], base=base)


if __name__ == "__main__":
    main()
