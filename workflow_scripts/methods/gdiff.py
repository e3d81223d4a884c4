"""Gradient difference (GDIFF): gradient ascent on forget text, descent on retain text.

l = -CE(forget) + retain_weight * CE(retain) (TOFU, arXiv 2401.06121, section 4; weight 1 in UOE, appendix A).

`retain_batch: scrambled` follows the published code (zhmzm/SEUF, 5a5fdee, train/gd/trainer.py): one retain sequence per
step, whatever the batch, with the labels of the sample two places later, since a counter advances at every key.
"""

from torch import Tensor, nn

from moe.forward import Batch, final_hidden, label_losses, token_nll


def forget_loss(model: nn.Module, batch: Batch, reference: Tensor | None, settings: dict) -> Tensor:
    """-CE in nats per token."""
    return -token_nll(model, batch)


def retain_loss(model: nn.Module, batch: Batch, reference: Tensor | None, settings: dict) -> Tensor:
    """CE in nats per token; the loop multiplies it by `retain_weight`. `scrambled` needs at least three rows."""
    if settings.get("retain_batch", "paired") == "paired":
        return token_nll(model, batch)
    if len(batch.rows) < 3:
        raise SystemExit("config, training: batch_size: retain_batch: scrambled needs at least 3 rows")
    first = Batch(batch.rows[:1], batch.input_ids[:1], batch.mask[:1])
    labels = batch.input_ids[2].masked_fill(~batch.mask[2], -100)[1:]
    hidden = final_hidden(model, first.input_ids, first.attention_mask())[0, :-1]
    return label_losses(model, hidden, labels).sum() / (labels != -100).sum()
