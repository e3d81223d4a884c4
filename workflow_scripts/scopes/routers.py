"""Scope `routers`: every router trains, nothing else (UOE, Table 1, row "Router")."""

from torch import nn

from moe.layers import MoELayer


def prepare(model: nn.Module, layers: list[MoELayer], selection: dict, settings: dict) -> None:
    for layer in layers:
        model.get_submodule(layer.router).requires_grad_(True)
