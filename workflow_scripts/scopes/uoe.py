"""Scope `uoe`: the selected experts and the routers of their layers train (UOE, section 4, Algorithm 1).

The anchor loss that goes with it (eq. 3) belongs to the selection; unlearn.py adds it.
"""

from torch import nn

from moe.layers import MoELayer
from moe.selected import select_experts_


def prepare(model: nn.Module, layers: list[MoELayer], selection: dict, settings: dict) -> None:
    by_index = {layer.index: layer for layer in layers}
    for index, chosen in selection["experts"].items():
        select_experts_(model, by_index[int(index)].experts, chosen)
        if settings.get("shared"):
            train_shared_experts(model, by_index[int(index)])
    for index in selection["routers"]:
        model.get_submodule(by_index[index].router).requires_grad_(True)


def train_shared_experts(model: nn.Module, layer: MoELayer) -> None:
    """What stands beside router and routed experts in a MoE block trains, too: the shared experts (SEUF, version 2)."""
    block = layer.experts.rpartition(".")[0]
    beside = [
        module
        for name, module in model.get_submodule(block).named_children()
        if f"{block}.{name}" not in (layer.router, layer.experts)
    ]
    shared = [module for module in beside if any(True for _ in module.parameters())]
    if not shared:
        raise SystemExit(f"scope asks for shared experts; layer {layer.index} of {type(model).__name__} has none")
    for module in shared:
        module.requires_grad_(True)
