"""Train chosen experts of a fused block and nothing else of it.

A fused block keeps all E experts in one tensor, so `requires_grad` cannot select one. `SelectedExperts` wraps the
block: the frozen block runs with the chosen experts' routing weights set to zero, and a small copy of the block with
only the chosen experts adds their outputs for the tokens routed to them. Parameters, gradients and optimizer state
exist for the chosen experts only, and the result equals training the whole block under a gradient mask that acts before
clipping, with weight decay 0.
"""

import copy

import torch
from torch import Tensor, nn

from moe.layers import MoELayer


class SelectedExperts(nn.Module):
    """A fused experts module in which only `chosen` train.

    experts: fused module, forward(hidden `[N, H]`, top-k indices `[N, K]`, top-k weights `[N, K]`) -> `[N, H]`.
    chosen: expert indices, ascending. The copy keeps them in that order, in fp32 (bf16 loses steps of 1e-4
    relative size); inputs are cast to fp32 and outputs back.
    """

    def __init__(self, experts: nn.Module, chosen: list[int]):
        super().__init__()
        names = [name for name, _ in experts.named_parameters(recurse=False)]
        num_experts = next(p.shape[0] for p in experts.parameters())
        if not chosen or sorted(set(chosen)) != list(chosen) or not 0 <= chosen[0] <= chosen[-1] < num_experts:
            raise ValueError(f"chosen experts {chosen}: need ascending, distinct indices in 0..{num_experts - 1}")
        self.frozen = experts.requires_grad_(False)
        memo = {id(parameter): None for parameter in experts.parameters()}  # do not copy the big tensors
        self.trained = copy.deepcopy(experts, memo)
        for name in names:
            rows = getattr(experts, name).detach()[chosen].float().clone()
            self.trained._parameters[name] = nn.Parameter(rows)
        self.trained.num_experts = len(chosen)
        self.chosen = list(chosen)
        self.wrapped_experts = num_experts  # read by moe/layers.py
        position = torch.full((num_experts + 1,), -1, dtype=torch.long)
        position[torch.tensor(self.chosen)] = torch.arange(len(chosen))
        self.register_buffer("position", position.to(next(experts.parameters()).device), persistent=False)

    def forward(self, hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor) -> Tensor:
        position = self.position[top_k_index]
        ours = position >= 0
        output = self.frozen(hidden_states, top_k_index, top_k_weights.masked_fill(ours, 0.0))
        token = ours.any(-1).nonzero().squeeze(-1)
        if token.numel() == 0:
            # Stay in the graph: a batch that reaches no chosen expert must have a zero gradient.
            first = sum(parameter.flatten()[0] for parameter in self.trained.parameters())
            return output + 0.0 * first.to(output.dtype)
        # The copy gets as many slots per token as it has experts; slots of frozen experts have weight 0.
        slots = ours[token].byte().argsort(dim=-1, descending=True, stable=True)[:, : len(self.chosen)]
        index = position[token].gather(-1, slots).clamp_min(0)
        weight = top_k_weights[token].masked_fill(~ours[token], 0.0).gather(-1, slots)
        dtype = next(self.trained.parameters()).dtype
        added = self.trained(hidden_states[token].to(dtype), index, weight.to(dtype))
        return output.index_add(0, token, added.to(output.dtype))


def select_experts_(model: nn.Module, name: str, chosen: list[int]) -> SelectedExperts:
    """Replace the fused experts module called `name` in `model` by a `SelectedExperts`; returns it."""
    parent, _, child = name.rpartition(".")
    selected = SelectedExperts(model.get_submodule(name), chosen)
    setattr(model.get_submodule(parent), child, selected)
    return selected


def train_selection_(model: nn.Module, layers: list[MoELayer], selection: dict) -> None:
    """Train the experts and routers that a selection names."""
    by_index = {layer.index: layer for layer in layers}
    for index, chosen in selection["experts"].items():
        select_experts_(model, by_index[int(index)].experts, chosen)
    for index in selection["routers"]:
        model.get_submodule(by_index[index].router).requires_grad_(True)
