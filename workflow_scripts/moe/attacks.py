"""Attacks that change a model in place: they may bring forgotten knowledge back, or imitate forgetting."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from moe.forward import Batch, token_nll
from moe.layers import MoELayer


@torch.no_grad()
def quantize_(model: nn.Module, bits: int) -> None:
    """Round every weight matrix to 2^bits - 1 levels, symmetric around 0, with one scale for each output row.

    Round to nearest, without calibration. Embeddings, norms and biases stay.
    """
    embeddings = {id(model.get_input_embeddings().weight), id(model.get_output_embeddings().weight)}
    for parameter in model.parameters():
        if parameter.dim() < 2 or id(parameter) in embeddings:
            continue
        scale = parameter.abs().amax(-1, keepdim=True).float() / (2 ** (bits - 1) - 1)
        scale = torch.where(scale == 0, torch.ones_like(scale), scale)
        parameter.copy_((parameter.float() / scale).round() * scale)


@torch.no_grad()
def disable_(model: nn.Module, layers: list[MoELayer], experts: dict[str, list[int]]) -> None:
    """The experts {layer: [expert]} add nothing to the output; the routers still choose them."""
    by_index = {layer.index: layer for layer in layers}
    for layer, chosen in experts.items():
        for _, parameter in model.get_submodule(by_index[int(layer)].experts).named_parameters(recurse=False):
            parameter[chosen] = 0.0


class _Passing(TorchFunctionMode):
    """While active, a top-k over `total` experts cannot choose those of `experts`."""

    def __init__(self, experts: list[int], total: int):
        super().__init__()
        self.experts, self.total = torch.tensor(experts), total

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in (torch.topk, Tensor.topk) and args and args[0].shape[-1] == self.total:
            scores = args[0]
            args = (scores.index_fill(-1, self.experts.to(scores.device), -math.inf), *args[1:])
        return function(*args, **(kwargs or {}))


def bypass_(model: nn.Module, layers: list[MoELayer], experts: dict[str, list[int]]) -> None:
    """Route tokens around the experts {layer: [expert]}: the router's next choices take their place.

    Families weight the chosen experts in different ways (over all or over the chosen experts, with biases, in groups),
    so the router's own forward runs and only its top-k is restricted; the other scores stay, and are renormalised where
    the family does so. Ends with one line if an expert is chosen all the same, because its router does not use a top-k
    over all experts or there are too few others.
    """
    by_index = {layer.index: layer for layer in layers}
    for index, passed in experts.items():
        layer = by_index[int(index)]
        router = model.get_submodule(layer.router)

        def forward(*args, own=router.forward, layer=layer, passed=passed, **kwargs):
            with _Passing(passed, layer.num_experts):
                output = own(*args, **kwargs)
            if bool(torch.isin(output[2], torch.tensor(passed, device=output[2].device)).any()):
                raise SystemExit(f"attack bypass: {layer.router} can't be kept from choosing its experts {passed}")
            return output

        router.forward = forward


def restore_routers_(model: nn.Module, layers: list[MoELayer], before: dict[str, Tensor]) -> None:
    """Reset every router. before: parameters of the untouched model by name, at least the routers'."""
    with torch.no_grad():
        for layer in layers:
            for name, parameter in model.get_submodule(layer.router).named_parameters():
                parameter.copy_(before[f"{layer.router}.{name}"])


def relearn_(
    model: nn.Module, batches: list[Batch], steps: int, learning_rate: float, at: Callable[[int], None]
) -> list[float]:
    """Fine-tune all parameters on a few texts, batch after batch; returns the loss of each step (nats per token).

    at: called with the number of steps taken, before the first one and after each."""
    model.requires_grad_(True)
    trained = list(model.parameters())
    optimizer, losses = torch.optim.AdamW(trained, lr=learning_rate, weight_decay=0.0), []
    at(0)
    for step in range(steps):
        loss = token_nll(model, batches[step % len(batches)])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        at(step + 1)
    model.requires_grad_(False)
    return losses
