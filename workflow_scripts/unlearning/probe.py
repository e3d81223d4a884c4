"""Probes: how a model routes a fixed batch of forget text at a checkpoint."""

import torch

from moe.forward import Batch, token_nll
from moe.layers import MoELayer
from moe.routing import Routing, overlap, record_routing, token_share
from moe.upper_layers import lowest_trained


@torch.no_grad()
def probe(model: torch.nn.Module, layers: list[MoELayer], batch: Batch, before: Routing | None) -> tuple[dict, Routing]:
    """(loss, overlap with the routing `before` and token share, by layer; the routing now). before: None at step 0."""
    # Layers below the lowest trained one route as before and are not run again.
    recorded = layers if before is None else [n for n in layers if n.index >= lowest_trained(model)]
    with record_routing(model, recorded) as routing:
        nll = token_nll(model, batch)
    kept = batch.mask.reshape(-1)
    routing.logits.clear()  # the first probe is kept for the whole run
    before = before or routing
    now = before.top_k | routing.top_k
    return {
        "forget_loss": nll.item(),
        "overlap": {str(n.index): overlap(before.top_k[n.index], now[n.index], kept) for n in layers},
        "token_share": {str(n.index): token_share(now[n.index], n.num_experts, kept).tolist() for n in layers},
    }, routing
