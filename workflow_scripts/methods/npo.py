"""Negative preference optimisation (NPO, arXiv 2404.05868, eq. 3).

l_f = -(2/beta) E[log sigmoid(beta * (L - L_ref))], L the sequence's negative log-likelihood under the model and L_ref
under the untouched model. L is the sum over the sequence, or with `per_token` its mean, so that beta does not depend
on the length (UOE's beta 0.001 on 1,024 packed tokens is about 1 per token). Retain term as in GDIFF.

`reference: policy` follows the published code (zhmzm/SEUF, 5a5fdee, train/npo/trainer.py): L_ref comes from the model
in training, so the ratio is 0 at every step and the gradient is gradient ascent's, whatever beta.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from moe.forward import Batch, sequence_nll, token_nll


def _nll(model: nn.Module, batch: Batch, settings: dict) -> Tensor:
    nll, counted = sequence_nll(model, batch)
    return nll / counted if settings["per_token"] else nll


@torch.no_grad()
def forget_reference(model: nn.Module, batches: list[Batch], settings: dict) -> Tensor:
    """L_ref of every row of the forget set, `[rows]`, by the same path as the loss. The set is fixed, so no second
    model is needed."""
    return torch.cat([_nll(model, batch, settings) for batch in batches])


def forget_loss(model: nn.Module, batch: Batch, reference: Tensor, settings: dict) -> Tensor:
    """In nats."""
    beta = settings["beta"]
    nll = _nll(model, batch, settings)
    ratio = nll - (nll.detach() if settings.get("reference") == "policy" else reference[batch.rows])
    return -(2.0 / beta) * logsigmoid(beta * ratio).mean()


def retain_loss(model: nn.Module, batch: Batch, reference: Tensor | None, settings: dict) -> Tensor:
    """CE in nats per token; the loop multiplies it by `retain_weight`."""
    return token_nll(model, batch)
