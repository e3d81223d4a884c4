"""Is the attribution of experts stable, and does a gate score say how much an expert contributes? (SEUF, version 2)

Reads a model folder and the forget set; writes attribution.json: how far the top-K experts of each layer agree between
the whole forget set and two random parts of it (its Table 8), and the rank correlation of the mean gate score with the
mean norm of what an expert adds, g * E(x) (its Table 11).
    python workflow_scripts/check_attribution.py --model MODEL --data DATA --seed 0 --output attribution.json \\
        --settings '{"benchmark": {...}, "batch_size": 4, "block_length": 128, "precision": "float32", "share": 0.25}'
"""

import math

import torch
from scipy import stats

from benchmarks.texts import forget_texts
from jobs import provenance, stage
from jobs.files import write_json
from jobs.progress import progress
from moe import libraries
from moe.attribution import attribute
from moe.layers import MoELayer
from moe.loading import load_moe_model
from moe.packing import batches, pack_for
from moe.routing import record_routing
from moe.selection import ranked


@torch.no_grad()
def contributions(model: torch.nn.Module, layers: list[MoELayer], blocks: torch.Tensor, size: int) -> dict:
    """Mean over tokens of the norm of g * E(x), by layer `[E]`; 0 where an expert is not in a token's top-K.

    g is the gate score, softmax over all experts, not the weight by which several families renormalise it.
    """
    inputs: dict[int, torch.Tensor] = {}

    def keep(index: int):
        def hook(module, args, kwargs):
            inputs[index] = args[0] if args else kwargs["hidden_states"]

        return hook

    experts = {layer.index: model.get_submodule(layer.experts) for layer in layers}
    handles = [experts[index].register_forward_pre_hook(keep(index), with_kwargs=True) for index in experts]
    norms = {layer.index: torch.zeros(layer.num_experts, dtype=torch.float64) for layer in layers}
    try:
        for batch in progress(batches(blocks, size), "contributions"):
            with record_routing(model, layers) as routing:
                model(input_ids=batch.input_ids, use_cache=False)
            seen = dict(inputs)  # the calls below go through the same hooks
            for layer in layers:
                hidden = seen[layer.index].reshape(-1, seen[layer.index].shape[-1])
                gates = routing.gate_scores(layer.index)
                for expert in range(layer.num_experts):
                    token = (routing.top_k[layer.index] == expert).any(-1).nonzero().squeeze(-1)
                    if not len(token):
                        continue
                    index = torch.full((len(token), 1), expert, device=token.device)
                    weight = gates[token, expert].unsqueeze(-1).to(hidden.dtype)
                    added = experts[layer.index](hidden[token], index, weight)
                    norms[layer.index][expert] += float(added.double().norm(dim=-1).sum())
    finally:
        for handle in handles:
            handle.remove()
    return {index: (total / blocks.numel()).tolist() for index, total in norms.items()}


def agreement(first: dict, second: dict) -> float:
    """Mean over layers of |top-K of one ∩ top-K of the other| / K, by gate score; both are affinities."""
    top_k, shares = first["top_k"], []
    for layer in first["layers"]:
        both = [set(ranked(affinity["layers"][layer]["gate_score"])[:top_k]) for affinity in (first, second)]
        shares.append(len(both[0] & both[1]) / top_k)
    return math.fsum(shares) / len(shares)


def spearman(first: list[float], second: list[float]) -> float:
    """Rank correlation; 1 where one of the lists is constant, as a list of one value is."""
    if min(len(set(first)), len(set(second))) == 1:
        return 1.0
    return float(stats.spearmanr(first, second).statistic)


def check(model, layers: list[MoELayer], blocks: torch.Tensor, size: int, share: float, seed: int) -> dict:
    """What attribution.json holds. share: of the blocks in each of the two parts, which have none in common."""
    count = int(share * len(blocks))
    if not 0 < share <= 0.5 or not count:
        raise SystemExit(f"share {share:g} of {len(blocks)} blocks: each of two parts needs at least one, at most half")
    order = torch.randperm(len(blocks), generator=torch.Generator().manual_seed(seed)).to(blocks.device)
    full, *parts = (
        attribute(model, layers, rows, size)
        for rows in (blocks, blocks[order[:count]], blocks[order[count : 2 * count]])
    )
    norms = contributions(model, layers, blocks, size)
    every, top = [], []
    for layer in layers:
        gates = full["layers"][str(layer.index)]["gate_score"]
        best = ranked(gates)[: full["top_k"]]
        every.append(spearman(gates, norms[layer.index]))
        top.append(spearman([gates[e] for e in best], [norms[layer.index][e] for e in best]))
    return {
        "tokens": {"full": blocks.numel(), "subset": count * blocks.shape[1]},
        "top_k": full["top_k"],
        "overlap": {
            "full vs subset 1": agreement(full, parts[0]),
            "full vs subset 2": agreement(full, parts[1]),
            "subset 1 vs subset 2": agreement(*parts),
        },
        "spearman": {
            name: {"mean": math.fsum(values) / len(values), "least": min(values)}
            for name, values in (("all", every), ("top", top))
        },
    }


def main() -> None:
    args = stage.parser(__doc__, "settings", "model", "data", "seed", "threads", "output").parse_args()
    libraries.set_up(args.threads)
    settings = args.settings
    texts = forget_texts(settings["benchmark"], args.data)
    model, layers = load_moe_model(args.model, settings["precision"])
    [blocks] = pack_for(model, args.model, settings, texts)
    write_json(args.output, check(model, layers, blocks, settings["batch_size"], settings["share"], args.seed))
    inputs = [args.model, *provenance.files_named(settings["benchmark"], args.data)]
    provenance.record(args.output, vars(args), inputs, [args.output])


if __name__ == "__main__":
    main()
