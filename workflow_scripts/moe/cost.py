"""What a step costs, counted from a model's configuration: floating-point operations and bytes, no weights needed.

Counted are matrix products, two operations a weight and token, of a token's K routed experts only, and attention scores
at the real length (causal: half of the square). Norms, softmax and the router's top-k are left out.
"""

from dataclasses import dataclass

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PretrainedConfig

from moe.layers import decoder_layers, find_moe_layers


@dataclass(frozen=True)
class Cost:
    """Forward operations a token, by decoder layer and of the head; weights by layer, of the head and of one expert."""

    layers: list[float]
    head: float
    layer_weights: list[int]
    head_weights: int
    expert_weights: int
    router_weights: int

    def above(self, layer: int) -> float:
        """Layers from `layer` on, and the head."""
        return sum(self.layers[layer:]) + self.head

    def naive(self, layer: int) -> float:
        """One-expert training that runs every layer and goes back to `layer`: (2L - l + 2h) layers."""
        return self.above(0) + self.above(layer)

    def reused(self, layer: int) -> float:
        """The same on kept hidden states: (2L - 2l + 2h) layers."""
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
        """A token of a question for all checkpoints: every layer and the head each time; what lies below once, and
        logits only where an option's token is predicted (left out)."""
        return checkpoints * self.above(0), sum(self.layers[:layer]) + checkpoints * sum(self.layers[layer:])


def cost_of(config: PretrainedConfig, length: int) -> Cost:
    """Cost of a token in a sequence of `length` tokens, from the shapes of the model that `config` describes."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    moe = {layer.index: layer for layer in find_moe_layers(model)}
    blocks = decoder_layers(model)[1]
    query = getattr(config, "qk_head_dim", None) or _head_size(config)
    value = getattr(config, "v_head_dim", None) or _head_size(config)
    scores = config.num_attention_heads * (query + value) * length  # 2 operations x half of the square
    layers, weights, expert = [], [], 0
    for index, block in enumerate(blocks):
        fused = list(model.get_submodule(moe[index].experts).parameters()) if index in moe else []
        routed = {id(p) for p in fused}
        matrices = sum(p.numel() for p in block.parameters() if p.dim() == 2 and id(p) not in routed)
        if fused:
            expert = sum(p[0].numel() for p in fused)
            matrices += config.num_experts_per_tok * expert
        layers.append(2.0 * matrices + scores)
        weights.append(sum(p.numel() for p in block.parameters()))
    head: nn.Module = model.get_output_embeddings()
    size = sum(p.numel() for p in head.parameters())
    router = max((layer.router_weight(model)[1].numel() for layer in moe.values()), default=0)
    return Cost(layers, 2.0 * size, weights, size, expert, router)


def _head_size(config: PretrainedConfig) -> int:
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def memory_plan(config: PretrainedConfig, cost: Cost, layer: int, tokens: int, chunk: int) -> dict[str, float]:
    """Bytes that a UOE step may hold in bf16: weights of the layers run, 16 a trained parameter, and activations.

    Activations: for the backward pass a layer above the trained one keeps, by token, its inputs to norms, attention and
    experts (18 H in bf16, after Korthikanti et al. 2022, section 4.1, without dropout) and what each of the K experts
    computes inside (6 intermediates, here taken as 6 x weights / 3 H); then logits of one chunk, three times in fp32.
    """
    width = config.hidden_size
    inside = 6 * config.num_experts_per_tok * cost.expert_weights / (3 * width)
    above = len(cost.layers) - layer
    trained = cost.expert_weights + cost.router_weights
    return {
        "weights": 2.0 * (sum(cost.layer_weights[layer:]) + cost.head_weights),
        "trained": 16.0 * trained,
        "activations": tokens * above * (2.0 * 18 * width + 2.0 * inside) + 12.0 * chunk * config.vocab_size,
    }
