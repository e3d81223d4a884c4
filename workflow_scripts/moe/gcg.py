"""Greedy coordinate gradient: a prompt suffix after which a model is likely to begin with a given target.

GCG (arXiv 2307.15043, algorithm 1) with the choices of nanoGCG 0.3.0: each step continues from the best of its
candidates, even if it is worse than the last, and the best suffix of all steps is returned. That library is not used
because it requires transformers <= 4.47, which has no fused experts (under 5 its gradients equal these in the three
families tried, but its prefix cache fails); because it encodes prompt, suffix and target separately, which gives
another prompt under a tokenizer that puts a space before every text; and because it checks only the suffix for
surviving a round trip through text. Here the caller checks whole prompts (`survives`). The tokens before the suffix are
not cached.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from moe.forward import final_hidden, head
from moe.layers import base_model


@dataclass(frozen=True)
class Prompt:
    """Token ids: before the suffix, the initial suffix (S), after it, the target (T)."""

    before: list[int]
    suffix: list[int]
    after: list[int]
    target: list[int]

    def around(self, suffix: list[int]) -> list[int]:
        """The prompt with another suffix, target left out."""
        return [*self.before, *suffix, *self.after]


@dataclass(frozen=True)
class Found:
    """suffix: the best one; first, last: the target's loss (nats per token) after the first suffix and after the best;
    survived: share of all candidates that `survives` accepted."""

    suffix: list[int]
    first: float
    last: float
    survived: float


def _rows(prompt: Prompt, suffixes: Tensor) -> Tensor:
    """`[N, L]` prompts followed by the target without its last token, from which nothing is predicted."""
    before, after = (torch.tensor(ids, dtype=torch.long) for ids in (prompt.before, prompt.after + prompt.target[:-1]))
    return torch.cat([before.expand(len(suffixes), -1), suffixes, after.expand(len(suffixes), -1)], dim=1)


def _loss(model: nn.Module, hidden: Tensor, target: list[int]) -> Tensor:
    """`[N]` mean negative log-likelihood of the target (nats per token) under final hidden states `[N, L, H]`."""
    wanted = torch.tensor(target, device=hidden.device).repeat(len(hidden))
    scores = head(model, hidden[:, -len(target) :].reshape(-1, hidden.shape[-1])).float()
    return cross_entropy(scores, wanted, reduction="none").view(len(hidden), -1).mean(-1)


@torch.no_grad()
def target_losses(model: nn.Module, prompt: Prompt, suffixes: Tensor, batch_size: int) -> Tensor:
    """The target's loss after each of the suffixes `[N, S]`: `[N]`, fp32 on the CPU."""
    device = model.get_input_embeddings().weight.device
    parts = _rows(prompt, suffixes).split(batch_size)
    return torch.cat([_loss(model, final_hidden(model, part.to(device)), prompt.target).cpu() for part in parts])


def token_gradient(model: nn.Module, prompt: Prompt, suffix: Tensor) -> Tensor:
    """`[S, V]` fp32 on the CPU: derivative of the target's loss by each entry of the suffix's one-hot rows.

    A token enters as its row of the embedding, so this is the gradient by the embedded suffix times every embedding.
    """
    table = model.get_input_embeddings()
    with torch.no_grad():
        embedded = table(_rows(prompt, suffix.unsqueeze(0)).to(table.weight.device))
    embedded.requires_grad_()
    with torch.enable_grad():
        hidden = base_model(model)(inputs_embeds=embedded, use_cache=False).last_hidden_state
        (gradient,) = torch.autograd.grad(_loss(model, hidden, prompt.target).sum(), embedded)
    place = slice(len(prompt.before), len(prompt.before) + len(suffix))
    with torch.no_grad():
        every = table(torch.arange(len(table.weight), device=table.weight.device))
        return (gradient[0, place] @ every.T).float().cpu()


def swaps(suffix: Tensor, gradient: Tensor, allowed: Tensor, width: int, top_k: int, draw: torch.Generator) -> Tensor:
    """`[width, S]` copies of `suffix` `[S]`, each with one token replaced: a place drawn uniformly, and one of the
    `top_k` allowed tokens there that promise the steepest descent. allowed: `[V]`, bool."""
    top_k = min(top_k, int(allowed.sum()))
    steepest = gradient.masked_fill(~allowed, math.inf).topk(top_k, largest=False).indices
    places = torch.randint(len(suffix), (width,), generator=draw)
    ranks = torch.randint(top_k, (width,), generator=draw)
    new = suffix.repeat(width, 1)
    new[torch.arange(width), places] = steepest[places, ranks]
    return new


def find_suffix(
    model: nn.Module,
    prompt: Prompt,
    allowed: Tensor,
    survives: Callable[[list[list[int]]], list[bool]],
    settings: dict,
    draw: torch.Generator,
    batch_size: int,
) -> Found:
    """Optimise the suffix of one prompt. The same generator state gives the same suffix.

    allowed: `[V]`, bool, tokens that may be used; survives: which of some suffixes (token ids) give, written as text in
    the prompt, a prompt of the same token ids; settings: `steps`, `width` candidates per step, `top_k`. A step
    without surviving candidates changes nothing.
    """
    best = current = torch.tensor(prompt.suffix)
    first = last = target_losses(model, prompt, current.unsqueeze(0), batch_size).item()
    survivors = 0
    for _ in range(settings["steps"]):
        gradient = token_gradient(model, prompt, current)
        candidates = swaps(current, gradient, allowed, settings["width"], settings["top_k"], draw)
        kept = candidates[torch.tensor(survives(candidates.tolist()))]
        survivors += len(kept)
        if not len(kept):
            continue
        losses = target_losses(model, prompt, kept, batch_size)
        current = kept[losses.argmin()]
        if losses.min().item() < last:
            best, last = current, losses.min().item()
    return Found(best.tolist(), first, last, survivors / (settings["steps"] * settings["width"]))
