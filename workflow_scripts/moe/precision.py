"""Train tensors in fp32 that the model holds in bf16.

bf16 has 8 bits of mantissa: a step of 1e-4 relative size is lost in it. So what trains has a copy in fp32, which the
optimizer (with its fp32 state) moves and which is rounded into the model after every step. A delta holds what the
model computes with; the working state of an unfinished run holds the copies.
"""

import torch
from torch import Tensor, nn


def master(parameter: nn.Parameter) -> Tensor:
    """The fp32 tensor that is trained for a parameter: its copy, or the parameter itself where it is in fp32."""
    return getattr(parameter, "fp32_copy", parameter)


def make_masters(parameters: list[nn.Parameter]) -> list[Tensor]:
    """Give every parameter that is not in fp32 a copy that is; returns what the optimizer trains, in order."""
    for parameter in parameters:
        if parameter.dtype != torch.float32:
            parameter.fp32_copy = parameter.detach().float().requires_grad_()
    return [master(parameter) for parameter in parameters]


def copy_gradients_to_masters(parameters: list[nn.Parameter]) -> None:
    """Move gradients to the copies. Where no token came by they are zero: Adam must see them, as under a mask."""
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        if master(parameter) is not parameter:
            master(parameter).grad = parameter.grad.float()
            parameter.grad = None


@torch.no_grad()
def write_back(parameters: list[nn.Parameter]) -> None:
    """Round the copies into the model."""
    for parameter in parameters:
        if master(parameter) is not parameter:
            parameter.copy_(master(parameter))
