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
    for index in selection["routers"]:
        model.get_submodule(by_index[index].router).requires_grad_(True)
