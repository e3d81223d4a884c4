"""Gradient ascent (GA): maximise the forget set's negative log-likelihood.

l_f = -CE(forget) (UOE, section 3; Jang et al. 2022, Yao et al. 2023). Unbounded, hence a fixed number of steps.
"""

from torch import Tensor, nn

from moe.forward import Batch, token_nll


def forget_loss(model: nn.Module, batch: Batch, reference: Tensor | None, settings: dict) -> Tensor:
    """-CE in nats a token."""
    return -token_nll(model, batch)
