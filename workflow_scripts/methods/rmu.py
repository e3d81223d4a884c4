"""Representation misdirection for unlearning (RMU, arXiv 2403.03218, section 4; the simplified code of April 2024).

l_f = mean over tokens and hidden dimensions of (h_l(forget) - c u)^2; l_r the same between the model's and the
untouched model's h_l(retain); h_l is the residual stream after the hook layer l, u one fixed direction, drawn
uniformly from [0, 1)^H and scaled to length 1. c is `steering` times the mean norm of h_l on forget text, since a
useful value follows the activations' size (published: 6.5 to 32000, by model); with `steering_unit: absolute` it is
`steering` itself. Padding does not count. `clipped: false` follows the published code, which clips no gradient.
"""

import torch
from torch import Tensor, nn

from moe.forward import Batch, hidden_states


def _kept(model: nn.Module, batch: Batch, settings: dict) -> Tensor:
    """h_l of the tokens that are not padding, `[N, H]`, in fp32 and on the hook layer's device."""
    hidden = hidden_states(model, batch, settings["hook_layer"])
    return hidden[batch.mask.to(hidden.device)].float()


@torch.no_grad()
def forget_reference(model: nn.Module, batches: list[Batch], settings: dict) -> Tensor:
    """Control vector c u, `[H]`."""
    norms = [_kept(model, batch, settings).norm(dim=-1) for batch in batches]
    generator = torch.Generator().manual_seed(settings["seed"])
    direction = torch.rand(model.config.hidden_size, generator=generator).to(norms[0].device)
    unit = 1.0 if settings.get("steering_unit") == "absolute" else torch.cat(norms).mean()
    return settings["steering"] * unit * direction / direction.norm()


@torch.no_grad()
def retain_reference(model: nn.Module, batches: list[Batch], settings: dict) -> Tensor:
    """Untouched activations of every retain row, `[rows, T, H]`, in the machine's memory, because only a batch of them
    is needed at a time."""
    return torch.cat([hidden_states(model, batch, settings["hook_layer"]).cpu() for batch in batches])


def forget_loss(model: nn.Module, batch: Batch, reference: Tensor, settings: dict) -> Tensor:
    """Mean squared distance of h_l(forget) from c u (`reference`, `[H]`), in the activations' own units squared."""
    return (_kept(model, batch, settings) - reference).square().mean()


def retain_loss(model: nn.Module, batch: Batch, reference: Tensor, settings: dict) -> Tensor:
    """The same between h_l(retain) and the untouched model's, `reference` `[rows, T, H]`; times `weights`, if any."""
    hidden = _kept(model, batch, settings)
    mask = batch.mask.to(hidden.device)
    error = (hidden - reference[batch.rows].to(hidden.device)[mask].float()).square()
    return error.mean() if batch.weights is None else (error.mean(-1) * batch.weights.to(hidden.device)[mask]).mean()
