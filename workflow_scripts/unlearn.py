"""Unlearn one cell: model x benchmark x method x scope x seed.

Reads a model folder, the forget and retain texts, a selection and a learning rate; writes into --output the deltas
checkpoints/step-NNNN.safetensors, trajectory.json (losses at every step, routing at every checkpoint),
parameters.json (what really trained) and manifest.json. Working state lies in --state (state.py): after a signal, a
kill or a lost node the same command goes on from there and ends in the same bits.
    python workflow_scripts/unlearn.py --model MODEL --data DATA --benchmark '{...}' --selection selection.json \\
        --method '{"name": "ga"}' --scope '{"kind": "uoe", "alpha": 1.0}' --training '{...}' --learning-rate 3e-4 \\
        --seed 0 --output CELL [--state STATE]
"""

import argparse
import importlib
import json
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from benchmarks.texts import forget_texts, retain_texts
from jobs import provenance
from jobs.files import read_json, sha256, write_json
from jobs.group import Group
from jobs.progress import progress
from jobs.state import State, publish, random_state, set_random_state, stamp_of
from moe.delta import base_hash, save_delta, trained_tensors
from moe.forward import Batch, token_nll
from moe.layers import MoELayer, find_moe_layers
from moe.loading import checkpoint_activations_, load_model, move_to_gpu_
from moe.packing import batches, pack, shuffled
from moe.precision import copy_gradients_to_masters, make_masters, master, write_back
from moe.routing import Routing, overlap, record_routing, token_share
from moe.sharding import load_optimizer_slices, optimizer_slices, own_rows, own_slice, reshard_, shard_, whole
from moe.upper_layers import Reuse, lowest_trained, reuse_prefix_

BETAS, CLIP = (0.9, 0.999), 1.0  # the published runs' AdamW and gradient clipping (LLaMA-Factory's defaults)


def anchor_loss(routing: Routing, anchor: dict[str, list[int]], mask: torch.Tensor, scope: dict) -> torch.Tensor:
    """Router anchor loss (UOE, eq. 3): squared L2 norm of (g - a), mean over non-padding tokens, summed over layers.

    g is masked to the top-K, a is 1 at the anchored experts and 0 elsewhere. A token whose top-K lacks an anchored
    expert does not pull it up: its gradient is the same whichever absent expert is anchored.

    The published code (zhmzm/SEUF, 5a5fdee) differs; scope has its choices: `anchor_masked: false` takes the softmax
    over all E experts, `anchor_mean: true` the mean over them instead of the sum, `anchor_gradient: false` a loss that
    is a constant (its hook runs in the pass that reentrant gradient checkpointing does without gradient).
    """
    total = torch.zeros((), device=mask.device)
    for name, experts in anchor.items():
        gates = routing.gate_scores(int(name), masked=scope.get("anchor_masked", True))
        gates = gates[mask.reshape(-1).to(gates.device)]
        target = torch.zeros(gates.shape[-1], device=gates.device)
        target[experts] = 1.0
        squares = (gates - target).square()
        total = total + (squares.mean() if scope.get("anchor_mean") else squares.sum(-1).mean()).to(total.device)
    return total if scope.get("anchor_gradient", True) else total.detach()


@torch.no_grad()
def probe(model: torch.nn.Module, layers: list[MoELayer], batch: Batch, before: Routing | None) -> tuple[dict, Routing]:
    """Routing of the model as it is now on `batch`: overlap with `before` and token share, by layer."""
    # Layers below the lowest trained one choose as before, and do not run again.
    recorded = layers if before is None else [n for n in layers if n.index >= lowest_trained(model)]
    with record_routing(model, recorded) as routing:
        nll = token_nll(model, batch)
    kept = batch.mask.reshape(-1)
    routing.logits.clear()  # a run holds on to its first probe
    before = before or routing
    now = before.top_k | routing.top_k
    return {
        "forget_loss": nll.item(),
        "overlap": {str(n.index): overlap(before.top_k[n.index], now[n.index], kept) for n in layers},
        "token_share": {str(n.index): token_share(now[n.index], n.num_experts, kept).tolist() for n in layers},
    }, routing


def finite(value: float, what: str, step: int) -> float:
    if value != value or value in (float("inf"), float("-inf")):
        raise SystemExit(f"step {step}: {what} is {value}; lower the learning rate of this cell")
    return value


def add(sums: dict[str, float | None], key: str, value: torch.Tensor) -> None:
    sums[key] = (sums[key] or 0.0) + value.item()


def unlearn(
    model,
    tokenizer,
    forget_text,
    retain_text,
    selection,
    method_name,
    method,
    scope,
    training,
    learning_rate,
    seed,
    save,
    token_weights=None,
    state=None,
    reuse=None,
    label="",
    group=None,
):
    """Train and probe; `save(step)` is called at each checkpoint. Returns (trajectory, parameters).

    token_weights: `[blocks, T]` for the packed retain text, or None where all are 1.
    state: a `State` that is held; what it has saved is gone on from, and the run's own state is saved into it.
    reuse: how much of what lies below the trained layers may be kept, and where some of it is kept already.
    label: what the progress lines call this run.
    group: the processes that the model is to be sharded over; without it this one trains alone.
    """
    group = group or Group()
    losses = importlib.import_module(f"methods.{method_name}")
    layers = find_moe_layers(model)
    total = sum(parameter.numel() for parameter in model.parameters())
    size = training["batch_size"]
    at_once = training.get("rows_at_once") or size  # rows in one pass; the step is that of the whole batch
    forget = pack(forget_text, tokenizer, training["block_length"])
    retain = None
    if hasattr(losses, "retain_loss"):
        retain = pack(retain_text, tokenizer, training["block_length"])
    if token_weights is not None and (retain is None or token_weights.shape != retain.shape):
        found = "no retain term" if retain is None else f"{tuple(retain.shape)} tokens of retain text"
        raise SystemExit(f"token weights {tuple(token_weights.shape)}: {method_name} has {found}")

    model.eval()  # no dropout: unlearning compares the model with itself
    model.requires_grad_(False)
    importlib.import_module(f"scopes.{scope['kind']}").prepare(model, layers, selection, scope)
    shard_(model, group)
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    trained = list(named.values())
    if not trained:
        raise SystemExit(f"scope {scope['kind']}: nothing to train in a {type(model).__name__}; is it a dense model?")
    trained_count = {name: tensor.numel() for name, tensor in trained_tensors(model).items()}
    if training.get("gradient_checkpointing"):
        checkpoint_activations_(model)

    known = [blocks for blocks in (forget, retain) if blocks is not None]
    device = group.device or move_to_gpu_(model, lowest_trained(model))
    forget = forget.to(device)
    retain = None if retain is None else retain.to(device)
    token_weights = None if token_weights is None else token_weights.to(device)

    by_index = {layer.index: layer for layer in layers}
    anchored = [by_index[int(name)] for name in selection["anchor"]]
    probe_batch = batches(forget[: training["probe_blocks"]], training["probe_blocks"])[0]
    first, before = probe(model, layers, probe_batch, None)
    # From here on nothing below what trains runs twice on a text; the first probe, above, saw all of the model.
    every_layer = hasattr(losses, "reads_every_layer") and losses.reads_every_layer(method)
    if group.size == 1 and not every_layer:
        reuse_prefix_(model, lowest_trained(model), reuse or Reuse(), known, at_once)
    forget_reference = (
        losses.forget_reference(model, batches(forget, at_once), method)
        if hasattr(losses, "forget_reference")
        else None
    )
    retain_reference = (
        losses.retain_reference(model, batches(retain, at_once), method)
        if hasattr(losses, "retain_reference")
        else None
    )
    trajectory = {
        "steps": [],
        "probes": [{"step": 0} | first],
        "moe_layers": [layer.index for layer in layers],
        "experts": layers[0].num_experts if layers else 0,
        "top_k": before.top_k[layers[0].index].shape[-1] if layers else 0,
    }
    masters = make_masters(trained)
    # On a GPU one kernel does the step: the others would hold further copies of all that trains.
    fused = device.type == "cuda"
    optimizer = torch.optim.AdamW(masters, lr=learning_rate, betas=BETAS, weight_decay=0.0, fused=fused or None)
    forget_batches = shuffled(forget, size, seed)
    retain_batches = retain is not None and shuffled(retain, size, seed + 1, token_weights)
    weights = {name: own_slice(master(parameter).detach()) for name, parameter in named.items()}
    saved = state.load() if state else None
    if saved:  # the references and the first probe above are those of the untouched model, as at the first start
        with torch.no_grad():
            for name, parameter in weights.items():
                parameter.copy_(saved["weights"][name])
        write_back(trained)
        reshard_(model)
        load_optimizer_slices(optimizer, saved["optimizer"], masters)
        trajectory = saved["trajectory"]
        for _ in range(saved["step"]):
            next(forget_batches)
            if retain is not None and method["retain_weight"]:
                next(retain_batches)
        set_random_state(saved["random"])
    first_step = saved["step"] + 1 if saved else 1
    steps = range(first_step, training["steps"] + 1)
    bar = progress(steps, label or f"{method_name} x {scope['kind']}", quiet=group.rank > 0)
    began = time.monotonic()
    for step in bar:
        sums = dict.fromkeys(("forget_loss", "retain_loss", "anchor_loss"))
        for part, share in own_rows(next(forget_batches), group).parts(at_once):
            with record_routing(model, anchored) as routing:
                loss = losses.forget_loss(model, part, forget_reference, method)
            add(sums, "forget_loss", share * loss)
            if anchored:
                anchor = anchor_loss(routing, selection["anchor"], part.mask, scope)
                add(sums, "anchor_loss", share * anchor)
                loss = loss + scope["alpha"] * anchor
            (share * loss).backward()
        if retain is not None and method["retain_weight"]:
            for part, share in own_rows(next(retain_batches), group).parts(at_once):
                loss = share * losses.retain_loss(model, part, retain_reference, method)
                add(sums, "retain_loss", loss)
                (method["retain_weight"] * loss).backward()
        copy_gradients_to_masters(trained)
        norm = whole(torch.nn.utils.clip_grad_norm_(masters, CLIP))
        sums = group.mean(sums)
        for key, what in (("forget_loss", "the forget loss"), ("retain_loss", "the retain loss")):
            if sums[key] is not None:
                finite(sums[key], what, step)
        row = {"step": step} | sums | {"gradient_norm": finite(norm.item(), "the gradient norm", step)}
        optimizer.step()
        write_back(trained)
        optimizer.zero_grad(set_to_none=True)
        trajectory["steps"].append(row)
        seen = (step - first_step + 1) * size * training["block_length"]  # forget tokens
        bar.set(loss=row["forget_loss"], tokens_per_second=seen / (time.monotonic() - began))
        if step % training["checkpoint_every"] == 0:
            save(step)
            trajectory["probes"].append({"step": step} | probe(model, layers, probe_batch, before)[0])
        if state and state.due(step):
            payload = {"weights": weights, "optimizer": optimizer_slices(optimizer.state_dict())}
            state.save(step, payload | {"trajectory": trajectory, "random": random_state()})
    count = sum(trained_count.values())
    return trajectory, {"trained": count, "total": total, "percent": 100.0 * count / total, "tensors": trained_count}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--benchmark", required=True, type=json.loads, help="the benchmark's config block, as JSON")
    parser.add_argument("--selection", required=True)
    parser.add_argument("--method", required=True, type=json.loads, help="name and settings of the method")
    parser.add_argument("--scope", required=True, type=json.loads, help="kind and settings of the scope")
    parser.add_argument("--training", required=True, type=json.loads)
    rate = parser.add_mutually_exclusive_group(required=True)
    rate.add_argument("--learning-rate", type=float)
    rate.add_argument("--tuned", help="tuning file that holds the learning rate")
    parser.add_argument("--token-weights", type=Path, help="safetensors file of weigh_retain_tokens.py")
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--state", type=Path, help="folder of the working state (default: OUTPUT/state)")
    parser.add_argument("--state-every", type=int, default=50, help="steps between two saved states")
    parser.add_argument("--prefix", type=Path, help="hidden states below the target layer, from cache_prefix.py")
    parser.add_argument("--limit-gb", type=float, default=8.0, help="further hidden states to keep in memory")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    with Group() as group:
        with group.fail_together():
            learning_rate = args.learning_rate or read_json(args.tuned)["learning_rate"]
            selection = read_json(args.selection)
            texts = forget_texts(args.benchmark, args.data), retain_texts(args.benchmark, args.data)
            base = base_hash(args.model)
            small = {file.name: sha256(file) for file in args.model.glob("*.json")}  # configuration and tokenizer
            if args.token_weights and not args.token_weights.is_file():
                raise SystemExit(f"{args.token_weights}: no such token weights; weigh_retain_tokens.py writes them")
        importlib.import_module(f"methods.{args.method['name']}")  # their code is part of the stamp
        importlib.import_module(f"scopes.{args.scope['kind']}")
        settings = [args.method, args.scope, args.training, learning_rate, args.seed, args.benchmark, group.size]
        inputs = [selection, texts, base, small, args.token_weights and sha256(args.token_weights)]
        stamp = stamp_of(settings=settings, inputs=inputs)
        with State(args.state or args.output / "state", stamp, args.state_every, group) as state:
            run_cell(args, texts, selection, learning_rate, base, state, group)
            state.complete()


def run_cell(
    args: argparse.Namespace, texts: tuple, selection: dict, learning_rate: float, base: str, state: State, group: Group
) -> None:
    """Unlearn and write the outputs. Checkpoints lie with the state until the end, so that a stop loses none."""
    reuse = Reuse(1e9 * args.limit_gb, args.prefix, base)
    # Where all that enters the trained layers is on file, what lies below them is not brought to the GPU (`move_to_gpu_`).
    on_cpu = group.size > 1 or (torch.cuda.device_count() == 1 and reuse.complete())
    model = load_model(args.model, args.training.get("precision", "float32"), on_cpu=on_cpu)
    method = {key: value for key, value in args.method.items() if key != "name"} | {"seed": args.seed}
    if selection["experts"] and "hook_layer" in method and args.scope["kind"] in ("uoe", "random"):
        method["hook_layer"] = max(map(int, selection["experts"]))  # RMU+UOE steers the target layer itself
    scope = args.scope | {key: method[key] for key in ("hook_layer",) if key in method}
    rank = scope.get("rank") if scope["kind"] == "lora" else None
    waiting = state.folder / "checkpoints"
    waiting.mkdir(exist_ok=True)

    def save(step: int) -> None:
        path = waiting / f"step-{step:04d}.safetensors"
        with group.fail_together(), state.writing(path):
            save_delta(model, None if group.rank else path, base, rank)
            if not group.rank:
                state.keep(path)

    trajectory, parameters = unlearn(
        model,
        AutoTokenizer.from_pretrained(args.model),
        *texts,
        selection,
        args.method["name"],
        method,
        scope,
        args.training,
        learning_rate,
        args.seed,
        save,
        load_file(args.token_weights)["weights"] if args.token_weights else None,
        state,
        reuse,
        label=f"unlearning {args.output}",
        group=group,
    )
    with group.fail_together():
        if group.rank:
            return  # the first process writes
        hashes = {file.name: sha256(file) for file in sorted(waiting.glob("*.safetensors"))}
        manifest = {  # an input of evaluations: versions and the like stand in the provenance, which is none
            "base": base,
            "method": args.method,
            "scope": args.scope,
            "training": args.training,
            "learning_rate": learning_rate,
            "seed": args.seed,
            "selection": selection,
            "processes": group.size,
            "effective_batch": args.training["batch_size"],  # rows a step, over all processes
            "checkpoints": hashes,
        }
        with state.writing(args.output):
            publish(waiting, args.output / "checkpoints")
            write_json(args.output / "trajectory.json", trajectory)
            write_json(args.output / "parameters.json", parameters)
            write_json(args.output / "manifest.json", manifest)
        outputs = [args.output / f"{name}.json" for name in ("manifest", "parameters", "trajectory")]
        inputs = [args.model, args.selection, *provenance.files_named(args.benchmark, args.data)]
        inputs += [path for path in (args.tuned, args.token_weights) if path]
        settings = vars(args) | {"learning_rate": learning_rate}
        provenance.record(outputs[0], settings, inputs, outputs, base=base, checkpoints=hashes)


if __name__ == "__main__":
    main()
