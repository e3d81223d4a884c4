"""The router anchor loss of UOE."""

import torch

from moe.routing import Routing


def anchor_loss(routing: Routing, anchor: dict[str, list[int]], mask: torch.Tensor, scope: dict) -> torch.Tensor:
    """Router anchor loss (UOE, eq. 3): squared L2 norm of (g - a), mean over non-padding tokens, summed over layers.

    g is masked to the top-K; a is 1 at the anchored experts and 0 elsewhere. A token whose top-K lacks an anchored
    expert does not pull that expert up: its gradient does not depend on which absent expert is anchored.

    The published code (zhmzm/SEUF, 5a5fdee) differs, and `scope` selects its variants: `anchor_masked: false` uses the
    softmax over all E experts, `anchor_mean: true` the mean over experts instead of the sum, `anchor_gradient: false` a
    loss without gradient (there its hook runs in the gradient-free pass of reentrant checkpointing).
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
