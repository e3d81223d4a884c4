"""Master weights: train in fp32 what the model holds in bf16.

bf16 has 8 bits of mantissa, which lose a step of 1e-4 relative size. So trained tensors have an fp32 copy, which the
optimizer updates and which is rounded into the model after every step. A delta holds the model's values; the working
state of an unfinished run holds the copies.
"""

import torch
from torch import Tensor, nn


def master(parameter: nn.Parameter) -> Tensor:
    """The fp32 tensor that is trained for a parameter: its copy, or the parameter itself where it is in fp32."""
    return getattr(parameter, "fp32_copy", parameter)


def make_masters(parameters: list[nn.Parameter]) -> list[Tensor]:
    """Give every parameter that is not in fp32 an fp32 copy; returns the tensors for the optimizer, in order."""
    for parameter in parameters:
        if parameter.dtype != torch.float32:
            parameter.fp32_copy = parameter.detach().float().requires_grad_()
    return [master(parameter) for parameter in parameters]


def copy_gradients_to_masters(parameters: list[nn.Parameter]) -> None:
    """Move gradients to the copies. A parameter that no token reached gets zeros, because Adam must see it."""
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
