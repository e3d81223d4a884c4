"""Expert attribution: how strongly each expert is used on a text (UOE, eq. 2)."""

import torch

from jobs.progress import progress
from moe.layers import MoELayer
from moe.packing import batches
from moe.routing import record_routing


@torch.no_grad()
def attribute(model: torch.nn.Module, layers: list[MoELayer], blocks: torch.Tensor, batch_size: int) -> dict:
    """Affinity over packed sequences `blocks [Z, L]`, as streaming sums.

    gate_score: s_i = 1/Z sum_j 1/L_j sum_t g_{i,t} (eq. 2). token_share: tokens with i in their top-K / tokens.
    """
    scores = {n.index: torch.zeros(n.num_experts, dtype=torch.float64) for n in layers}
    shares = {n.index: torch.zeros(n.num_experts, dtype=torch.float64) for n in layers}
    with record_routing(model, layers) as routing:
        for batch in progress(batches(blocks, batch_size), "attribution", unit="batch"):
            model(input_ids=batch.input_ids, use_cache=False)
            rows, length = batch.input_ids.shape
            for layer in scores:
                gates = routing.gate_scores(layer).view(rows, length, -1).double()
                scores[layer] += gates.mean(1).sum(0).cpu()
                # Counted from the choices: the gate score of a chosen expert may round to 0.
                uses = torch.bincount(routing.top_k[layer].reshape(-1), minlength=gates.shape[-1])
                shares[layer] += uses.double().cpu() / length
    return {
        "top_k": routing.top_k[layers[0].index].shape[-1],
        "experts": layers[0].num_experts,
        "tokens": blocks.numel(),
        "sequences": len(blocks),
        "layers": {
            str(layer): {
                "gate_score": (scores[layer] / len(blocks)).tolist(),
                "token_share": (shares[layer] / len(blocks)).tolist(),
            }
            for layer in scores
        },
    }
