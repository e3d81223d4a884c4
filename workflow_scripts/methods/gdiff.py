"""Gradient difference (GDIFF): gradient ascent on forget text, descent on retain text.

l = -CE(forget) + retain_weight * CE(retain) (TOFU, arXiv 2401.06121, section 4; weight 1 in UOE, appendix A).
"""

from torch import Tensor, nn

from moe.forward import Batch, token_nll


def forget_loss(model: nn.Module, batch: Batch, reference: Tensor | None, settings: dict) -> Tensor:
    """-CE in nats a token."""
    return -token_nll(model, batch)


def retain_loss(model: nn.Module, batch: Batch, reference: Tensor | None, settings: dict) -> Tensor:
    """CE in nats a token; unlearn.py multiplies it by `retain_weight`."""
    return token_nll(model, batch)
