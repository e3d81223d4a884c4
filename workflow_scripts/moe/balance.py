"""The load-balancing loss that transformers adds to a MoE model's cross-entropy while training."""

import torch
from torch import Tensor

from moe.routing import Routing


def balance_loss(routing: Routing, mask: Tensor) -> Tensor:
    """E * sum_e share_e * probability_e over the tokens of all recorded layers together, as in transformers.

    share_e: mean number of a token's K choices that are e, so uniform routing gives K (Switch Transformer, eq. 4: 1).
    probability_e: mean softmax over all E experts. mask: `[N]`, True for tokens that count. All recorded layers must
    have the same E.
    """
    logits = torch.cat([routing.logits[layer][mask] for layer in routing.logits]).float()
    chosen = torch.cat([routing.top_k[layer][mask] for layer in routing.logits])
    share = torch.bincount(chosen.reshape(-1), minlength=logits.shape[-1]) / len(chosen)
    return logits.shape[-1] * (share * logits.softmax(-1).mean(0)).sum()
