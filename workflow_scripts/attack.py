"""Attack one cell's chosen checkpoint, and test what is left of the forgetting.

Reads a model folder, the cell's checkpoints, chosen.json and selection, and the texts and tests of its benchmark;
writes attack.json: forget and utility on the test half and overlap of expert choice with the untouched model's on
forget text, before (scores from chosen.json) and after. Kinds of attack:
  quantize        {bits}: every weight matrix rounded (8, 4)
  relearn         {texts: forget | retain, blocks, steps, learning_rate}: fine-tuned on a few blocks of text
  restore_routers {}: the routers of the untouched model, so that tokens go where they went before
  bypass          {}: tokens are sent past the experts that the scope trains, to the router's next choices
  disable         {}: no attack but a control: the untouched model without the experts that the scope trains
Attacks by prompts (kind gcg) are attack_prompts.py's.
    python workflow_scripts/attack.py --model MODEL --data DATA --benchmark '{...}' --cell CELL --selection sel.json \\
        --attack '{"kind": "quantize", "bits": 4}' --training '{...}' --batch-size 64 --output attack.json
"""

import argparse
import json
import logging
from contextlib import nullcontext
from pathlib import Path

import torch
import transformers
from transformers import AutoTokenizer

from benchmarks.generation import Generator
from benchmarks.likelihood import LanguageModel
from benchmarks.multiple_choice import MultipleChoice
from benchmarks.texts import forget_texts, retain_texts
from evaluate import KINDS, evaluate, read_tests
from jobs import provenance
from jobs.files import read_json, write_json
from moe.attacks import bypass_, disable_, quantize_, relearn_, restore_routers_
from moe.delta import applied, base_hash
from moe.layers import find_moe_layers
from moe.loading import PRECISIONS, first_device, load_model
from moe.packing import batches, pack
from moe.routing import overlap, record_routing


def attack(model, tokenizer, settings: dict, selection: dict, untouched: dict, texts: dict, training: dict) -> dict:
    """Change `model` in place; returns what there is to say of it. untouched: its parameters before unlearning."""
    layers, kind = find_moe_layers(model), settings["kind"]
    if kind == "quantize":
        quantize_(model, settings["bits"])
    elif kind == "restore_routers":
        restore_routers_(model, layers, untouched)
    elif kind in ("disable", "bypass"):
        if not selection["experts"]:
            raise SystemExit(f"attack {kind}: this scope chooses no expert, so there is none to {kind}")
        (disable_ if kind == "disable" else bypass_)(model, layers, selection["experts"])
    else:
        blocks = pack(texts[settings["texts"]], tokenizer, training["block_length"])[: settings["blocks"]]
        few = batches(blocks.to(first_device(model)), training["batch_size"])
        losses = relearn_(model, few, settings["steps"], settings["learning_rate"])
        return {"loss": {"first": losses[0], "last": losses[-1]}, "tokens": blocks.numel()}
    return {}


@torch.no_grad()
def choices(model, batch) -> dict[int, torch.Tensor]:
    """Top-K experts of every token by MoE layer, `[N, K]`."""
    layers = find_moe_layers(model)
    with record_routing(model, layers) as routing:
        model(input_ids=batch.input_ids, use_cache=False)
    return dict(routing.top_k)


def mean_overlap(before: dict, now: dict, batch) -> float | None:
    """Mean over MoE layers of the share of experts still chosen; None for a dense model."""
    kept = batch.mask.reshape(-1)
    shares = [overlap(before[layer], now[layer], kept) for layer in before]
    return sum(shares) / len(shares) if shares else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--benchmark", type=json.loads, required=True, help="the benchmark's config block and its name")
    parser.add_argument("--cell", type=Path, required=True, help="folder of the cell")
    parser.add_argument("--selection", type=Path, required=True)
    parser.add_argument("--attack", type=json.loads, required=True, help="kind and settings, as JSON")
    parser.add_argument("--training", type=json.loads, required=True, help="block_length, batch_size, probe_blocks")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    chosen = read_json(args.cell / "chosen.json")["balance"]
    tests = read_tests(args.benchmark, args.data, ["test"])
    tests = {name: test for name, test in tests.items() if name in ("forget", "utility")}
    texts = {"forget": forget_texts(args.benchmark, args.data), "retain": retain_texts(args.benchmark, args.data)}
    model, tokenizer = load_model(args.model, args.precision), AutoTokenizer.from_pretrained(args.model)
    blocks = pack(texts["forget"], tokenizer, args.training["block_length"])[: args.training["probe_blocks"]]
    (probe,) = batches(blocks.to(first_device(model)), len(blocks))
    routed = choices(model, probe)
    untouched = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    delta = args.cell / "checkpoints" / f"step-{chosen['step']:04d}.safetensors"
    control = args.attack["kind"] == "disable"  # of the untouched model
    base = base_hash(args.model)
    with nullcontext() if control else applied(model, delta, base):
        selection = read_json(args.selection)
        overlaps = [mean_overlap(routed, choices(model, probe), probe)]
        said = attack(model, tokenizer, args.attack, selection, untouched, texts, args.training)
        speakers = dict.fromkeys(KINDS.values(), Generator(model, tokenizer, args.batch_size))
        speakers[MultipleChoice] = LanguageModel(model, tokenizer, args.batch_size)
        entry, _ = evaluate(tests, speakers, chosen["step"])
        overlaps.append(mean_overlap(routed, choices(model, probe), probe))
    before = {key: chosen[key] for key in ("step", "collapsed", "forget", "utility")} | {"overlap": overlaps[0]}
    before |= {f"original_{key}": chosen[f"original_{key}"] for key in ("forget", "utility")}
    after = {key: entry[key]["test"] for key in ("forget", "utility")} | {"collapsed": entry["collapsed"]}
    after["overlap"] = overlaps[1]
    write_json(args.output, {"attack": args.attack, "before": before, "after": after} | said)
    read = [args.model, args.selection, args.cell / "chosen.json", *([] if control else [delta])]
    read += provenance.files_named(args.benchmark, args.data)
    provenance.record(args.output, vars(args), read, [args.output], base=base)


if __name__ == "__main__":
    main()
