"""Attack one cell's chosen checkpoint through its prompts: with the suffixes that search_suffixes.py found (GCG).

Reads a model folder, the cell's checkpoints, chosen.json and selection, its benchmark's forget test and the suffixes.
Writes the attack's json: recall of the attacked questions without suffix, with the one that the search starts from and
with the one that it finds, in all and among the replies that then hold the target's word (which is how the papers
filter); of the untouched model without suffix; the share of questions whose recall rises; the target's loss; gate
scores of the layers with selected experts.

What is attacked: `probes` questions of the test half, the same for every model. A question is asked as in the test,
with the suffix behind it, before "Answer:". The target does not depend on the answer. All replies, also those without
suffix, get as many more tokens as the target has.
    python workflow_scripts/attack_prompts.py --model MODEL --data DATA --benchmark '{"name": "rwku", ...}' \\
        --cell CELL --selection sel.json --attack '{"kind": "gcg", ...}' --suffixes suffixes-0.json --output gcg.json
"""

import argparse
import json
import math
import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # models and data are local files; nothing may wait for a network

import torch
import transformers
from transformers import AutoTokenizer

from benchmarks.attacked import attacked, question_of
from benchmarks.generation import Generation, Generator
from benchmarks.rouge import RECALLS
from benchmarks.scores import mean_recall
from jobs import provenance
from jobs.files import read_json, write_json
from moe.delta import applied, base_hash
from moe.gcg import Found
from moe.layers import find_moe_layers
from moe.loading import PRECISIONS, first_device, load_model
from moe.routing import record_routing


def suffixes_of(paths: list[Path], probes: list[dict], step: int) -> dict[str, dict]:
    """What search_suffixes.py found, by question. One line if one has none, or if another checkpoint was attacked."""
    found = {}
    for path in paths:
        part = read_json(path)
        if part["step"] != step:
            raise SystemExit(f"{path}: suffixes for the checkpoint of step {part['step']}; the chosen one is {step}")
        found |= {one["query"]: {key: one[key] for key in one if key != "query"} for one in part["found"]}
    if missing := [probe["query"] for probe in probes if probe["query"] not in found]:
        raise SystemExit(f"{paths[0]}: no suffix for {missing[0]!r} in it or the other parts; run search_suffixes.py")
    return found


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


def replies(generator: Generator, prompts: list[list[int]], more: int, test: Generation, probes: list[dict]) -> tuple:
    """(texts, recalls) of the first line of each reply, which may be `more` tokens longer than the test allows."""
    tokens = generator.complete(prompts, test.block["max_new_tokens"] + more)
    texts = [text.split("\n")[0].strip() for text in generator.tokenizer.batch_decode(tokens, skip_special_tokens=True)]
    recall = RECALLS[test.block["score"]]
    return texts, [recall(probe["answer"], text) for probe, text in zip(probes, texts, strict=True)]


def summary(rows: list[dict], word: str) -> dict:
    """Scores over the attacked questions, and over those whose replies to the found suffix hold `word`."""
    kept = [row for row in rows if word.lower() in row["replies"]["with"].lower()]

    def recalls(some: list[dict]) -> dict:
        return {when: mean_recall([row["recall"][when] for row in some]) for when in rows[0]["recall"]}

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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--benchmark", type=json.loads, required=True, help="its name and forget test, as JSON")
    parser.add_argument("--cell", type=Path, required=True, help="folder of the cell")
    parser.add_argument("--selection", type=Path, required=True)
    parser.add_argument("--attack", type=json.loads, required=True, help="kind and settings, as JSON")
    parser.add_argument("--suffixes", type=Path, nargs="+", required=True, help="of search_suffixes.py, all parts")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    transformers.utils.logging.disable_progress_bar()
    settings, block = args.attack, args.benchmark["forget_test"]
    test, probes = attacked(args.benchmark, args.data, settings)
    chosen, selected = read_json(args.cell / "chosen.json")["balance"], read_json(args.selection)["experts"]
    known = suffixes_of(args.suffixes, probes, chosen["step"])
    model, tokenizer = load_model(args.model, args.precision), AutoTokenizer.from_pretrained(args.model)
    model.requires_grad_(False)
    generator, chat = Generator(model, tokenizer, args.batch_size), block["chat_template"]

    plain = [generator.encode(probe, chat) for probe in probes]
    questions = [question_of(generator, probe, chat, settings) for probe in probes]
    found = [Found(**known[probe["query"]]) for probe in probes]
    more = len(questions[0].prompt.target)
    said = {"original": replies(generator, plain, more, test, probes)}
    delta = args.cell / "checkpoints" / f"step-{chosen['step']:04d}.safetensors"
    base = base_hash(args.model)
    with applied(model, delta, base):
        asked = {
            "without": plain,
            "start": [question.prompt.around(question.prompt.suffix) for question in questions],
            "with": [question.prompt.around(one.suffix) for question, one in zip(questions, found, strict=True)],
        }
        said |= {when: replies(generator, ids, more, test, probes) for when, ids in asked.items()}
        scores = {when: affinity(model, asked[when], selected) for when in ("without", "with")}
    rows = [
        {key: probe[key] for key in ("part", "row", "query", "answer")}
        | {"suffix": question.typed(tokenizer, one.suffix)[len(probe["query"]) :]}
        | {"loss": {"first": one.first, "last": one.last}, "survived": one.survived}
        | {"replies": {when: texts[place] for when, (texts, _) in said.items()}}
        | {"recall": {when: values[place] for when, (_, values) in said.items()}}
        for place, (probe, question, one) in enumerate(zip(probes, questions, found, strict=True))
    ]
    layers = {
        layer: {"experts": experts} | {when: of_layers[layer] for when, of_layers in scores.items()}
        for layer, experts in selected.items()
    }
    about = {"attack": settings, "step": chosen["step"], "collapsed": chosen["collapsed"], "affinity": layers}
    write_json(args.output, about | summary(rows, settings["word"]))
    read = [args.model, delta, args.cell / "chosen.json", args.selection, *args.suffixes]
    read += provenance.files_named(block, args.data)
    provenance.record(args.output, vars(args), read, [args.output], base=base)


if __name__ == "__main__":
    main()
