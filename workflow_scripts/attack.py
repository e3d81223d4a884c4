"""Attack one cell's chosen checkpoint, and test how much of the forgotten knowledge comes back.

Reads a model folder, the cell's checkpoints, chosen.json and selection, and the texts and tests of its benchmark.
Without --cell the model itself is attacked, as one that was pre-trained without the forget set (relearn only).
Writes the attack's json: FA and UT on the test half, for which the checkpoint was chosen on the other one, and overlap
of expert choice with the untouched model's on forget text, before (scores from chosen.json) and after; of relearn also
FA at the steps that it names as `tested`. Kinds of attack:
  quantize        {bits}: every weight matrix rounded (8, 4)
  relearn         {texts: forget | retain, blocks, steps, learning_rate}: fine-tuned on a few blocks of text
  restore_routers {}: the routers of the untouched model, so that tokens are routed as before unlearning
  bypass          {}: tokens skip the experts that the scope trains and go to the router's next choices
  disable         {}: a control, not an attack: the untouched model without the experts that the scope trains
Attacks by prompts (kind gcg) are in attack_prompts.py.
    python workflow_scripts/attack.py --model MODEL --data DATA --cell CELL --selection selection.json \\
        --settings '{"benchmark": {...}, "attack": {"kind": "quantize", "bits": 4}, "batch_size": 64,
        "training": {"batch_size": 4, "block_length": 128, "probe_blocks": 8}, "precision": "float32"}' \\
        --output attack.json
"""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch

from benchmarks.checkpoints import chosen_checkpoint, load
from benchmarks.evaluating import DECIDING, evaluate, read_tests, responders
from benchmarks.texts import forget_texts, retain_texts
from jobs import provenance
from jobs.files import read_json, write_json
from jobs.stage import parser
from moe import libraries
from moe.attacks import bypass_, disable_, quantize_, relearn_, restore_routers_
from moe.delta import applied, base_hash
from moe.layers import find_moe_layers
from moe.loading import first_device
from moe.packing import batches, pack
from moe.routing import overlap, record_routing
from planning import cell_files


def attack(
    model, tokenizer, settings: dict, selection: dict, untouched: dict, texts: dict, training: dict, fa: Callable
) -> dict:
    """Change `model` in place; returns further entries of the result. untouched: parameters before unlearning; fa:
    scores the model's FA as it is."""
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
        blocks = pack(texts[settings["texts"]], tokenizer, training["block_length"], training.get("bos", False))[
            : settings["blocks"]
        ]
        few = batches(blocks.to(first_device(model)), training["batch_size"])
        curve: list[dict] = []

        def at(step: int) -> None:
            if step in settings.get("tested", ()):
                curve.append({"step": step, "fa": fa()})

        losses = relearn_(model, few, settings["steps"], settings["learning_rate"], at)
        return {"loss": {"first": losses[0], "last": losses[-1]}, "tokens": blocks.numel(), "curve": curve}
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


def read_cell(cell: Path | None, path: Path | None, kind: str) -> tuple[dict, Path | None, dict]:
    """Scores of the chosen checkpoint on the test half, its file, and the scope's selection; nothing of either for a
    model that is attacked as it is."""
    if cell is None or path is None:
        if kind != "relearn":
            raise SystemExit(
                f"attack {kind}: --cell and --selection are missing; without them only relearn is possible"
            )
        return {}, None, {"experts": {}}
    choice, delta = chosen_checkpoint(cell)
    return choice["halves"]["test"] | {"collapsed": choice["collapsed"]}, delta, read_json(path)


def main() -> None:
    options = parser(__doc__, "settings", "model", "data", "threads", "output")
    options.add_argument("--cell", type=Path, help="folder of the cell")
    options.add_argument("--selection", type=Path, help="the scope's selected experts")
    args = options.parse_args()
    settings, benchmark, training = args.settings, args.settings["benchmark"], args.settings["training"]
    kind = settings["attack"]["kind"]
    libraries.set_up(args.threads)
    before, delta, selection = read_cell(args.cell, args.selection, kind)
    tests = read_tests(benchmark, args.data, ["test"])
    tests = {name: test for name, test in tests.items() if name in DECIDING}
    texts = {"forget": forget_texts(benchmark, args.data), "retain": retain_texts(benchmark, args.data)}
    model, tokenizer = load(args.model, settings["precision"])
    blocks = pack(texts["forget"], tokenizer, training["block_length"], training.get("bos", False))[
        : training["probe_blocks"]
    ]
    (probe,) = batches(blocks.to(first_device(model)), len(blocks))
    routed = choices(model, probe)
    untouched = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    base, answering = base_hash(args.model), responders(model, tokenizer, settings["batch_size"])

    def fa() -> float:
        return evaluate({"forget": tests["forget"]}, answering, 0)[0]["forget"]["test"]["value"]

    of_untouched = delta is None or kind == "disable"
    with nullcontext() if of_untouched else applied(model, delta, base):
        overlaps = [mean_overlap(routed, choices(model, probe), probe)]
        details = attack(model, tokenizer, settings["attack"], selection, untouched, texts, training, fa)
        entry, _ = evaluate(tests, answering, 0)
        overlaps.append(mean_overlap(routed, choices(model, probe), probe))
    after = {"fa": entry["forget"]["test"], "ut": entry["utility"]["test"], "collapsed": entry["collapsed"]}
    result = {"before": before | {"overlap": overlaps[0]}, "after": after | {"overlap": overlaps[1]}}
    write_json(args.output, {"attack": settings["attack"]} | result | details)
    read = [args.model, *([] if of_untouched else [delta])]
    read += [] if delta is None else [args.selection, args.cell / cell_files.CHOSEN]
    read += provenance.files_named(benchmark, args.data)
    provenance.record(args.output, vars(args), read, [args.output], base=base)


if __name__ == "__main__":
    main()
