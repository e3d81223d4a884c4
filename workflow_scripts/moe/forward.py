"""Forward passes that the losses share: log-likelihoods without all logits at once, hidden states without the layers
above them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint
from transformers.modeling_outputs import MoeModelOutputWithPast

from moe.budget import CHUNK
from moe.layers import base_model, decoder_layers

IGNORED = -100  # a label without a loss, as torch's cross_entropy has it


@dataclass(frozen=True)
class Batch:
    """rows: `[B]` positions in the set that the batch was drawn from (to look a reference up).
    input_ids: `[B, T]`; mask: `[B, T]`, True where a token is not padding; weights: `[B, T]`, of the loss at each
    token, with mean one over the set, or None if all are 1."""

    rows: Tensor
    input_ids: Tensor
    mask: Tensor
    weights: Tensor | None = None

    def parts(self, size: int) -> list[tuple["Batch", float]]:
        """The batch in parts of at most `size` rows, each with its share of the rows.

        A mean over the tokens, or the rows, of a batch of whole rows is the sum of its parts' means by share.
        """
        parts = []
        for start in range(0, len(self.rows), size):
            cut = slice(start, start + size)
            weights = None if self.weights is None else self.weights[cut]
            part = Batch(self.rows[cut], self.input_ids[cut], self.mask[cut], weights)
            parts.append((part, len(part.rows) / len(self.rows)))
        return parts

    def attention_mask(self) -> Tensor | None:
        """None without padding, so that the model takes its plain causal path."""
        return None if bool(self.mask.all()) else self.mask.long()


class _Reached(Exception):
    """Leaves the model's forward pass after the wanted layer."""


def hidden_states(model: nn.Module, batch: Batch, layer: int) -> Tensor:
    """Residual stream after decoder layer `layer`, `[B, T, H]`; no layer above it runs."""
    reached = []

    def stop(module: nn.Module, args: tuple, output) -> None:
        reached.append(output[0] if isinstance(output, tuple) else output)
        raise _Reached

    handle = decoder_layers(model)[1][layer].register_forward_hook(stop)
    try:
        model(input_ids=batch.input_ids, attention_mask=batch.attention_mask(), use_cache=False)
    except _Reached:
        pass
    finally:
        handle.remove()
    return reached[0]


def final_hidden(model: nn.Module, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
    """The input of the language-model head, `[B, T, H]`, on the token ids' device even if layers are on others."""
    base = base_model(model)
    hidden = base(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).last_hidden_state
    return hidden.to(input_ids.device)


@contextmanager
def _instead_of_the_base(model: nn.Module, hidden: Tensor) -> Iterator[None]:
    base = base_model(model)
    own = vars(base).get("forward")  # set by accelerate
    base.forward = lambda *args, **kwargs: MoeModelOutputWithPast(last_hidden_state=hidden)
    try:
        yield
    finally:
        del base.forward
        if own:
            base.forward = own


def head(model: nn.Module, hidden: Tensor) -> Tensor:
    """Logits `[N, V]` of final hidden states `[N, H]`, by the model's own forward: some families scale or cap them."""
    with _instead_of_the_base(model, hidden.unsqueeze(0)):
        return model(inputs_embeds=hidden.unsqueeze(0), use_cache=False).logits.squeeze(0)


class _NLL(torch.autograd.Function):
    """Cross-entropy of each row that exponentiates once: log-softmax does so for the value and again for the gradient,
    and at a vocabulary of some thousands that is most of the loss's time."""

    @staticmethod
    def forward(ctx, logits: Tensor, labels: Tensor) -> Tensor:
        ignored, labels = labels == IGNORED, labels.clamp_min(0).unsqueeze(-1)
        probabilities = logits.softmax(-1)
        highest, where = logits.max(-1, keepdim=True)
        # log sum exp by way of the largest probability, which is never near 0
        total = highest - probabilities.gather(-1, where).log()
        ctx.save_for_backward(probabilities, labels, ignored)
        return (total - logits.gather(-1, labels)).squeeze(-1).masked_fill(ignored, 0.0)

    @staticmethod
    @once_differentiable
    def backward(ctx, outer: Tensor) -> tuple[Tensor, None]:
        probabilities, labels, ignored = ctx.saved_tensors
        outer = outer.masked_fill(ignored, 0.0).unsqueeze(-1)
        return (probabilities * outer).scatter_add_(-1, labels, -outer), None


def nll(logits: Tensor, labels: Tensor) -> Tensor:
    """Negative log-likelihood of each label, `[N]` in nats and 0 at -100, under logits `[N, V]`, taken in fp32."""
    return _NLL.apply(logits.float(), labels)


def _nll(model: nn.Module, hidden: Tensor, labels: Tensor) -> Tensor:
    return nll(head(model, hidden), labels)


class _FrozenHeadNLL(torch.autograd.Function):
    """Negative log-likelihoods under a head that does not train.

    A token's likelihood depends only on its own hidden state, so the gradient is computed with the value, chunk by
    chunk, and scaled in the backward pass: no logits are kept or computed twice.
    """

    @staticmethod
    def forward(ctx, hidden: Tensor, labels: Tensor, model: nn.Module) -> Tensor:
        values, gradients = [], []
        for part, target in zip(hidden.split(CHUNK), labels.split(CHUNK), strict=True):
            with torch.set_grad_enabled(ctx.needs_input_grad[0]):
                part = part.detach().requires_grad_(ctx.needs_input_grad[0])
                losses = _nll(model, part, target)
                if ctx.needs_input_grad[0]:
                    gradients += torch.autograd.grad(losses.sum(), part)
            values.append(losses.detach())
        if gradients:
            ctx.save_for_backward(torch.cat(gradients))
        return torch.cat(values)

    @staticmethod
    def backward(ctx, outer: Tensor) -> tuple:
        (gradient,) = ctx.saved_tensors
        return (gradient * outer.unsqueeze(-1)).to(gradient.dtype), None, None


def label_losses(model: nn.Module, hidden: Tensor, labels: Tensor) -> Tensor:
    """Negative log-likelihood of each label, `[N]` in nats and 0 at -100, for the head's input `hidden`, `[N, H]`.

    Only one chunk of logits exists at a time.
    """
    if not any(parameter.requires_grad for parameter in model.get_output_embeddings().parameters()):
        return _FrozenHeadNLL.apply(hidden, labels, model)
    if len(hidden) <= CHUNK:
        return _nll(model, hidden, labels)
    # each chunk's logits are recomputed in the backward pass
    parts = zip(hidden.split(CHUNK), labels.split(CHUNK), strict=True)
    return torch.cat([checkpoint(_nll, model, *part, use_reentrant=False) for part in parts])


def token_losses(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Negative log-likelihood of each predicted token, `[B, T - 1]` in nats, and 1 where it counts, else 0.

    Token t counts if t >= 1 and neither it nor its predecessor is padding.
    """
    hidden = final_hidden(model, batch.input_ids, batch.attention_mask())[:, :-1]
    labels = batch.input_ids[:, 1:]
    losses = label_losses(model, hidden.reshape(-1, hidden.shape[-1]), labels.reshape(-1))
    return losses.view(labels.shape), (batch.mask[:, 1:] & batch.mask[:, :-1]).float()


def sequence_nll(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Summed negative log-likelihood of each row's counted tokens, `[B]` in nats, and their number, `[B]`.

    With weights, a prediction's loss is multiplied by the weight of the token at which it is made; the count is not.
    """
    losses, counted = token_losses(model, batch)
    if batch.weights is not None:
        losses = losses * batch.weights[:, :-1]
    return (losses * counted).sum(-1), counted.sum(-1)


def token_nll(model: nn.Module, batch: Batch) -> Tensor:
    """Mean negative log-likelihood over the counted tokens of the batch, in nats per token.

    With weights, the sum is divided by the number of tokens, not by the batch's sum of weights: the weights' mean is
    one over the set, so batches of equal size average to the weighted mean over the set.
    """
    summed, counted = sequence_nll(model, batch)
    return summed.sum() / counted.sum()
