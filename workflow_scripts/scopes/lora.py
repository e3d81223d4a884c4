"""Scope `lora`: rank-r adapters on every linear layer and every routed expert (UOE, Tables 3 and 4)."""

from torch import nn

from moe.layers import MoELayer
from moe.lora import attach_lora


def prepare(model: nn.Module, layers: list[MoELayer], selection: dict, settings: dict) -> None:
    attach_lora(model, settings["rank"])
