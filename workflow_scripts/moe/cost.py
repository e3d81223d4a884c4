"""Cost of a step, counted from a model's configuration without weights: floating-point operations and bytes.

Operations are matrix products (two per weight and token, of a token's K routed experts only) and attention scores at
the real length (causal: half of the square). Norms, softmax and the router's top-k are not counted.
"""

from dataclasses import dataclass

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PretrainedConfig

from moe.budget import activation_bytes
from moe.layers import decoder_layers, find_moe_layers


@dataclass(frozen=True)
class Cost:
    """Forward operations per token, by decoder layer and of the head; weights by layer, of the head and of one expert.

    kept: values per token that a layer with frozen weights keeps for its backward pass, by layer: the output of every
    matrix and, if it is not as wide as the residual stream, its input (of K experts), and the inputs of the two norms
    in fp32 (4 H of two bytes).
    """

    layers: list[float]
    head: float
    layer_weights: list[int]
    head_weights: int
    expert_weights: int
    router_weights: int
    kept: list[int]

    def above(self, layer: int) -> float:
        """Layers from `layer` on, and the head."""
        return sum(self.layers[layer:]) + self.head

    def naive(self, layer: int) -> float:
        """One-expert training with a forward pass of all layers and a backward pass to `layer`: (2L - l + 2h)
        layers."""
        return self.above(0) + self.above(layer)

    def reused(self, layer: int) -> float:
        """The same on cached hidden states: (2L - 2l + 2h) layers."""
        return 2 * self.above(layer)

    def full(self) -> float:
        """Everything trains: 3 (L + h) layers."""
        return 3 * self.above(0)

    def naive_rmu(self, layer: int) -> float:
        """Forget and retain text through policy, retain text through a reference, back from the hook layer alone."""
        return 3 * self.above(0) + 2 * self.layers[layer]

    def reused_rmu(self, layer: int) -> float:
        """Both texts through the hook layer and back."""
        return 4 * self.layers[layer]

    def evaluation(self, layer: int, checkpoints: int) -> tuple[float, float]:
        """Per token of a question, for all checkpoints: every layer and the head each time; or the lower layers once
        and no head, since logits are needed only where an option's token is predicted."""
        return checkpoints * self.above(0), sum(self.layers[:layer]) + checkpoints * sum(self.layers[layer:])


def cost_of(config: PretrainedConfig, length: int) -> Cost:
    """Cost of a token in a sequence of `length` tokens, from the shapes of the model that `config` describes."""
    with torch.device("meta"):
        return cost_of_model(AutoModelForCausalLM.from_config(config), length)


def cost_of_model(model: nn.Module, length: int) -> Cost:
    """The same for a model in memory, with or without weights."""
    config = model.config
    moe = {layer.index: layer for layer in find_moe_layers(model)}
    blocks = decoder_layers(model)[1]
    query = getattr(config, "qk_head_dim", None) or _head_size(config)
    value = getattr(config, "v_head_dim", None) or _head_size(config)
    scores = config.num_attention_heads * (query + value) * length  # 2 operations x half of the square
    layers, weights, kept, expert, width = [], [], [], 0, config.hidden_size
    for index, block in enumerate(blocks):
        fused = list(model.get_submodule(moe[index].experts).parameters()) if index in moe else []
        routed = {id(p) for p in fused}
        matrices = [p for p in block.parameters() if p.dim() == 2 and id(p) not in routed]
        products = sum(p.numel() for p in matrices)
        values = 4 * width + sum(p.shape[0] + (p.shape[1] if p.shape[1] != width else 0) for p in matrices)
        if fused:
            expert = sum(p[0].numel() for p in fused)
            products += config.num_experts_per_tok * expert
            values += config.num_experts_per_tok * (expert // width + width)
        layers.append(2.0 * products + scores)
        weights.append(sum(p.numel() for p in block.parameters()))
        kept.append(values)
    head: nn.Module = model.get_output_embeddings()
    size = sum(p.numel() for p in head.parameters())
    router = max((layer.router_weight(model)[1].numel() for layer in moe.values()), default=0)
    return Cost(layers, 2.0 * size, weights, size, expert, router, kept)


def _head_size(config: PretrainedConfig) -> int:
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def step_memory(
    config: PretrainedConfig, cost: Cost, layer: int, tokens: int, *, recomputed: bool, width: int = 2
) -> dict[str, float]:
    """Bytes of a UOE step: weights of the layers run and of the head, 16 per trained parameter (its fp32 copy, gradient
    and Adam's two moments), and activations of a pass over `tokens` (`moe.budget`). width: bytes of a weight.
    """
    above = len(cost.layers) - layer
    shape = {"hidden": config.hidden_size, "kept": max(cost.kept[layer:])}
    shape |= {"expert": cost.expert_weights, "vocabulary": config.vocab_size}
    return {
        "weights": float(width * (sum(cost.layer_weights[layer:]) + cost.head_weights)),
        "trained": 16.0 * (cost.expert_weights + cost.router_weights),
        "activations": activation_bytes(shape, above, tokens, recomputed=recomputed, width=width),
    }
