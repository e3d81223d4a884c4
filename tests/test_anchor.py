"""The router anchor loss and its gradient against explicit computations in float64."""

import pytest
import torch
from test_losses import assert_same, padded
from tiny_models import RENORMALISED, random_tokens, tiny

from moe.layers import find_moe_layers
from moe.routing import record_routing
from unlearning.anchor import anchor_loss

ANCHORS = [{"1": [3]}, {"1": [0, 2]}, {"1": [1], "2": [3]}]


@pytest.mark.parametrize("anchor", ANCHORS, ids=["one", "two", "layers"])
@pytest.mark.parametrize("family", ["qwen2moe", "deepseek", *RENORMALISED])
def test_anchor(family, anchor):
    """Eq. (3) from the router's input and matrix, with an own softmax and an own top-k by sorting."""
    model = tiny(family, seed=1).double()
    model.set_experts_implementation("eager")
    batch, layers = padded(), find_moe_layers(model)
    with record_routing(model, [layer for layer in layers if str(layer.index) in anchor]) as routing:
        model(input_ids=batch.input_ids, attention_mask=batch.mask.long())
        ours = anchor_loss(routing, anchor, batch.mask, {})
    inputs, handles = {}, []
    for layer in layers:
        module = model.get_submodule(layer.router)
        handles.append(module.register_forward_pre_hook(lambda m, a, n=layer.index: inputs.update({n: a[0]})))
    model(input_ids=batch.input_ids, attention_mask=batch.mask.long())
    for handle in handles:
        handle.remove()
    independent = 0.0
    for name, experts in anchor.items():
        layer = next(layer for layer in layers if layer.index == int(name))
        router = model.get_submodule(layer.router)
        terms = []
        for row, t in batch.mask.nonzero().tolist():
            x = inputs[layer.index].reshape(*batch.mask.shape, -1)[row, t]
            z = router.weight @ x + getattr(router, "bias", torch.zeros(layer.num_experts, dtype=torch.float64))
            p = z.exp() / z.exp().sum()
            top = sorted(range(layer.num_experts), key=lambda e: -z[e].item())[: model.config.num_experts_per_tok]
            g = [p[e] if e in top else torch.zeros((), dtype=torch.float64) for e in range(layer.num_experts)]
            terms.append(sum((g[e] - (1.0 if e in experts else 0.0)) ** 2 for e in range(layer.num_experts)))
        independent = independent + sum(terms) / len(terms)
    assert_same(ours, independent, model)


class _Fixed:
    """Routing with given scores: what `anchor_loss` reads of a `Routing`."""

    def __init__(self, gates: torch.Tensor):
        self.gates = gates

    def gate_scores(self, layer: int, masked: bool) -> torch.Tensor:
        return self.gates


def test_anchor_of_a_known_gate_vector():
    """Tokens (.5, .3, 0, 0) and (0, 0, .6, .4), the third is padding; anchored expert 0."""
    gates = torch.tensor([[0.5, 0.3, 0.0, 0.0], [0.0, 0.0, 0.6, 0.4], [0.9, 0.1, 0.0, 0.0]])
    mask = torch.tensor([[True, True, False]])
    first, second = 0.5**2 + 0.3**2, 1.0 + 0.6**2 + 0.4**2
    assert anchor_loss(_Fixed(gates), {"5": [0]}, mask, {}).item() == pytest.approx((first + second) / 2)


def test_anchor_does_not_pull_an_expert_outside_the_top_k():
    """As described, g is 0 there: from tokens whose top-K lacks experts a and b, the routers' gradient is the same
    whether a, b or no expert is anchored. From tokens that use a it is not."""
    model = tiny("olmoe", seed=2)
    layer = find_moe_layers(model)[1]
    ids = random_tokens(1, 24)
    with record_routing(model, [layer]) as routing:
        model(input_ids=ids)
    used = torch.bincount(routing.top_k[1].flatten(), minlength=8)
    a, b = [expert for expert in used.argsort().tolist() if used[expert] > 0][:2]
    without = (routing.top_k[1] != a).all(-1) & (routing.top_k[1] != b).all(-1)
    using = (routing.top_k[1] == a).any(-1)
    assert without.any() and using.any()

    def gradient(anchored: list[int], tokens: torch.Tensor) -> torch.Tensor:
        loss = anchor_loss(routing, {"1": anchored}, tokens.view(1, -1), {})
        return torch.autograd.grad(loss, layer.router_weight(model)[1], retain_graph=True)[0]

    assert gradient([a], without).abs().max() > 0  # the scores in use are pushed down
    assert torch.equal(gradient([a], without), gradient([b], without))
    assert torch.equal(gradient([a], without), gradient([], without))
    assert not torch.allclose(gradient([a], using), gradient([], using))
