"""Record routing: gate scores, top-k choices, token shares and overlap.

Gate score g: softmax of the router's logits over all E experts in fp32, kept at the top-K indices, 0 elsewhere
(UOE, section 2). The weights that a router returns are not used, because several families renormalise them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from moe.layers import MoELayer


@dataclass
class Routing:
    """What the routers of the recorded layers did in one forward pass; N = batch * length tokens in reading order.

    logits[layer]: `[N, E]`, attached to the graph when gradients are on.
    top_k[layer]: `[N, K]` indices.
    """

    logits: dict[int, Tensor] = field(default_factory=dict)
    top_k: dict[int, Tensor] = field(default_factory=dict)

    def gate_scores(self, layer: int, *, masked: bool = True) -> Tensor:
        """`[N, E]` in fp32; `masked=False` gives the plain softmax (used by the preset as-published)."""
        scores = self.logits[layer].float().softmax(dim=-1)
        if not masked:
            return scores
        return scores * torch.zeros_like(scores).scatter_(-1, self.top_k[layer], 1.0)


@contextmanager
def record_routing(model: nn.Module, layers: list[MoELayer]) -> Iterator[Routing]:
    """Fill a `Routing` at every forward pass inside the block; each pass replaces the one before.

    Raises ValueError if a router does not return (logits, weights, indices).
    """
    routing = Routing()

    def hook(layer: MoELayer):
        def keep(module: nn.Module, args: tuple, output) -> None:
            if not (isinstance(output, tuple) and len(output) == 3 and not output[2].is_floating_point()):
                name = type(module).__name__
                raise ValueError(f"{layer.router} ({name}) does not return (logits, weights, indices)")
            logits, _, indices = output
            routing.logits[layer.index] = logits.reshape(-1, layer.num_experts)
            routing.top_k[layer.index] = indices.reshape(-1, indices.shape[-1])

        return keep

    handles = [model.get_submodule(layer.router).register_forward_hook(hook(layer)) for layer in layers]
    try:
        yield routing
    finally:
        for handle in handles:
            handle.remove()


def token_share(top_k: Tensor, num_experts: int, mask: Tensor) -> Tensor:
    """Share of tokens with each expert in their top-K, `[E]`, summing to K.

    top_k: `[N, K]`; mask: `[N]`, True for tokens that count.
    """
    counts = torch.bincount(top_k[mask.to(top_k.device)].reshape(-1), minlength=num_experts)
    return counts.double() / int(mask.sum())


def overlap(before: Tensor, now: Tensor, mask: Tensor) -> float:
    """Mean over tokens of |topK_before ∩ topK_now| / K (UOE, section 4; same text, teacher-forced).

    before, now: `[N, K]` indices without repeats; mask: `[N]`.
    """
    mask = mask.to(before.device)
    same = (before[mask].unsqueeze(-1) == now[mask].unsqueeze(-2)).any(-1)
    return same.double().mean().item()
