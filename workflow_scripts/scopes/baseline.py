"""Scope `baseline`: every parameter trains, as in the unmodified methods (UOE, Tables 1 and 2)."""

from torch import nn

from moe.layers import MoELayer


def prepare(model: nn.Module, layers: list[MoELayer], selection: dict, settings: dict) -> None:
    model.requires_grad_(True)
