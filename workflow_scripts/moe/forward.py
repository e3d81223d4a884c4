"""Forward passes that the losses share: logits, and hidden states at a layer without running what lies above it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from moe.layers import decoder_layers


@dataclass(frozen=True)
class Batch:
    """rows: `[B]` positions in the set that the batch was drawn from (to look a reference up).
    input_ids: `[B, T]`; mask: `[B, T]`, True where a token is no padding."""

    rows: Tensor
    input_ids: Tensor
    mask: Tensor

    def attention_mask(self) -> Tensor | None:
        """None where nothing is padded, so that the model takes its plain causal path."""
        return None if bool(self.mask.all()) else self.mask.long()


def logits(model: nn.Module, batch: Batch) -> Tensor:
    """`[B, T, V]`."""
    return model(input_ids=batch.input_ids, attention_mask=batch.attention_mask(), use_cache=False).logits


class _Reached(Exception):
    """Leaves the model's forward once the wanted layer has run."""


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


def sequence_nll(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Summed negative log-likelihood of each row's predicted tokens, `[B]` in nats, and their number, `[B]`.

    Token t counts where t >= 1, it is no padding and its predecessor is none either.
    """
    scores = logits(model, batch)[:, :-1].float()
    counted = (batch.mask[:, 1:] & batch.mask[:, :-1]).float()
    nll = torch.nn.functional.cross_entropy(scores.transpose(1, 2), batch.input_ids[:, 1:], reduction="none")
    return (nll * counted).sum(-1), counted.sum(-1)


def token_nll(model: nn.Module, batch: Batch) -> Tensor:
    """Mean negative log-likelihood over the counted tokens of the batch, in nats a token."""
    nll, counted = sequence_nll(model, batch)
    return nll.sum() / counted.sum()
