"""Train a small causal language model from scratch on packed documents."""

import math
from dataclasses import dataclass, field

import torch
import transformers
from torch import nn

from moe.forward import nll
from moe.layers import MoELayer, find_moe_layers
from moe.routing import Routing, record_routing


@dataclass(frozen=True)
class Recipe:
    """How one micro model is trained; field names are the keys of the config blocks `pretraining` and `pretrain`."""

    architecture: str  # class name in transformers, as in a released config.json
    config: dict  # keyword arguments of that architecture's configuration
    steps: int
    rows: int  # rows of one step
    row_length: int  # tokens of one row
    learning_rate: float  # peak
    embedding_factor: float  # learning rate of input and output embeddings, as a multiple of the others'
    warmup: int  # steps of linear warm-up
    mix: dict  # share of documents of each kind: prose, qa, blank
    answer_weight: float  # weight of an answer's tokens against 1 for prose
    balance_weight: float  # of the load-balancing loss (no effect in a dense model)
    corpus: str = "pretraining"  # folder of the data that holds documents.jsonl and the tokenizer
    without: dict = field(default_factory=dict)  # columns and values of the documents that are never read


def build_model(recipe: Recipe, tokenizer, seed: int) -> nn.Module:
    """A freshly initialised fp32 model; ends with one line if transformers has no such architecture."""
    family = getattr(transformers, recipe.architecture, None)
    if not recipe.architecture.endswith("ForCausalLM") or family is None:
        raise SystemExit(f"pretrain.architecture: {recipe.architecture!r} is no …ForCausalLM class of transformers")
    # Rows of the head in sixteens: its product, a third of the arithmetic, then takes two thirds of the time on a CPU.
    # The last few ids have no token; training makes them as improbable as any word that never occurs.
    vocabulary = -(-len(tokenizer) // 16) * 16
    sizes = {"vocab_size": vocabulary, "eos_token_id": tokenizer.eos_token_id}
    sizes |= {"pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    torch.manual_seed(seed)
    return family(family.config_class(**sizes, **recipe.config)).float()


def learning_rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then a cosine down to 5 % of the peak; `step` counts from 0."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.learning_rate * (0.05 + 0.95 * (1 + math.cos(math.pi * done)) / 2)


def balance_loss(routing: Routing, layers: list[MoELayer], mask: torch.Tensor) -> torch.Tensor:
    """Mean over layers of E * sum_e share_e * probability_e (Switch Transformer, eq. 4); 1 when evenly spread.

    share_e: part of all choices that went to expert e; probability_e: mean softmax over E. mask: `[N]`, tokens
    that count. Computed here because not every family of transformers has such a loss.
    """
    losses = []
    for layer in layers:
        probabilities = routing.logits[layer.index][mask].float().softmax(-1).mean(0)
        chosen = routing.top_k[layer.index][mask].reshape(-1)
        share = torch.bincount(chosen, minlength=layer.num_experts) / chosen.numel()
        losses.append(layer.num_experts * (share * probabilities).sum())
    return torch.stack(losses).mean()


class Trainer:
    """Model, optimizer and position of one run; `step` consumes one batch.

    After initialisation only the order of documents is random, and it depends on the seed alone: a run that resumes
    from a saved state with the batches from `position` on ends in the same bits.
    """

    def __init__(self, model: nn.Module, recipe: Recipe, pad: int):
        self.model, self.recipe, self.pad = model, recipe, pad
        self.layers = find_moe_layers(model)
        # A name's embedding gets a gradient only where the name occurs, so it needs larger steps than the rest: with
        # equal rates these models needed about twice as many tokens.
        embeddings = [model.get_input_embeddings().weight, model.get_output_embeddings().weight]
        rest = [parameter for parameter in model.parameters() if all(parameter is not other for other in embeddings)]
        groups = [{"params": embeddings, "factor": recipe.embedding_factor}, {"params": rest, "factor": 1.0}]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
        self.position = 0
        self.log: list[dict] = []

    def step(self, ids: torch.Tensor, weights: torch.Tensor) -> float:
        """One update; ids, weights: `[rows, row_length]`. Returns the weighted mean loss per token (nats)."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["factor"] * learning_rate(self.position, self.recipe)
        with record_routing(self.model, self.layers) as routing:
            hidden = self.model.base_model(input_ids=ids, use_cache=False).last_hidden_state
        wanted = weights[:, 1:] > 0  # the output layer costs most: run it only where a token is to be learnt
        losses = nll(self.model.get_output_embeddings()(hidden[:, :-1][wanted]), ids[:, 1:][wanted])
        weight = weights[:, 1:][wanted]
        loss = (losses * weight).sum() / weight.sum()
        total = loss
        if self.layers and self.recipe.balance_weight:
            mask = (ids != self.pad).reshape(-1)
            total = loss + self.recipe.balance_weight * balance_loss(routing, self.layers, mask)
        self.optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.position += 1
        value = loss.item()
        if not math.isfinite(value):
            raise SystemExit(
                f"pre-training: NaN or infinite loss ({value}) at step {self.position}; lower the learning rate"
            )
        return value

    def state(self) -> dict:
        """Everything a resumed run needs."""
        tensors = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        return tensors | {"position": self.position, "log": self.log}

    def load_state(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.position, self.log = state["position"], state["log"]
