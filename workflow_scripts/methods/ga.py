"""Gradient ascent (GA): maximise the forget set's negative log-likelihood.

l_f = -CE(forget) (UOE, section 3; Jang et al. 2022, Yao et al. 2023). Unbounded, hence a fixed number of steps.

`negated_balance: w` follows the published code (zhmzm/SEUF, 5a5fdee): transformers adds w times its load-balancing loss
to the CE, and ascent negates the sum, which also pushes routing towards few experts.
"""

from torch import Tensor, nn

from moe.balance import balance_loss
from moe.forward import Batch, token_nll
from moe.layers import find_moe_layers
from moe.routing import record_routing


def reads_every_layer(settings: dict) -> bool:
    """Whether the loss reads routing below the trained layer, so that every layer must run at every step."""
    return "negated_balance" in settings


def forget_loss(model: nn.Module, batch: Batch, reference: Tensor | None, settings: dict) -> Tensor:
    """-CE in nats per token."""
    weight = settings.get("negated_balance")
    if not weight:
        return -token_nll(model, batch)
    with record_routing(model, find_moe_layers(model)) as routing:
        nll = token_nll(model, batch)
    return -(nll + weight * balance_loss(routing, batch.mask.reshape(-1)))
