"""Scope `experts`: every routed expert trains, nothing else (UOE, Table 1, row "Experts")."""

from torch import nn

from moe.layers import MoELayer


def prepare(model: nn.Module, layers: list[MoELayer], selection: dict, settings: dict) -> None:
    for layer in layers:
        model.get_submodule(layer.experts).requires_grad_(True)
