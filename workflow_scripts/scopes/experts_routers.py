"""Scope `experts-routers`: every routed expert and every router train, nothing else."""

from torch import nn

from moe.layers import MoELayer
from scopes import experts, routers


def prepare(model: nn.Module, layers: list[MoELayer], selection: dict, settings: dict) -> None:
    experts.prepare(model, layers, selection, settings)
    routers.prepare(model, layers, selection, settings)
