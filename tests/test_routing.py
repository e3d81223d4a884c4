"""Gate scores, token shares and overlap against plain Python."""

import random

import pytest
import torch
from tiny_models import MOE_FAMILIES, RENORMALISED, random_tokens, tiny
from torch import nn

from moe.layers import find_moe_layers
from moe.routing import overlap, record_routing, token_share


def random_choices(tokens: int, experts: int, top: int, seed: int) -> list[list[int]]:
    generator = random.Random(seed)
    return [generator.sample(range(experts), top) for _ in range(tokens)]


@pytest.mark.parametrize("top", [1, 2, 5])
def test_overlap_against_sets(top):
    before, now = random_choices(40, 7, top, 1), random_choices(40, 7, top, 2)
    keep = [random.Random(3 + i).random() < 0.7 for i in range(40)]
    shares = [len(set(a) & set(b)) / top for a, b, kept in zip(before, now, keep, strict=True) if kept]
    got = overlap(torch.tensor(before), torch.tensor(now), torch.tensor(keep))
    assert got == pytest.approx(sum(shares) / len(shares))


def test_overlap_ends():
    some = torch.tensor([[0, 1], [4, 2]])
    every = torch.ones(2, dtype=torch.bool)
    assert overlap(some, some.flip(-1), every) == 1.0  # the order within the top-K does not matter
    assert overlap(some, torch.tensor([[2, 3], [0, 1]]), every) == 0.0
    assert overlap(some, torch.tensor([[0, 3], [0, 1]]), every) == 0.25
    assert overlap(some, torch.tensor([[0, 3], [0, 1]]), torch.tensor([True, False])) == 0.5


def test_token_share_against_counting():
    choices = random_choices(50, 9, 3, 4)
    keep = [i % 3 != 0 for i in range(50)]
    kept = [set(row) for row, k in zip(choices, keep, strict=True) if k]
    expected = [sum(e in row for row in kept) / len(kept) for e in range(9)]
    got = token_share(torch.tensor(choices), 9, torch.tensor(keep))
    assert got.tolist() == pytest.approx(expected) and got.sum().item() == pytest.approx(3.0)


@pytest.mark.parametrize("family", MOE_FAMILIES)
def test_gate_scores_are_the_softmax_over_all_experts(family):
    """Kept at the top-K, 0 elsewhere, also where the router returns weights that sum to 1 over the top-K."""
    model, ids = tiny(family, seed=2), random_tokens(2, 12)
    layers = find_moe_layers(model)
    caught = {}
    handles = [
        model.get_submodule(layer.router).register_forward_hook(
            lambda module, args, output, n=layer.index: caught.update({n: (args[0], output)})
        )
        for layer in layers
    ]
    with torch.no_grad(), record_routing(model, layers) as routing:
        model(input_ids=ids)
    for handle in handles:
        handle.remove()
    for layer in layers:
        entered, (_, weights, indices) = caught[layer.index]
        router = model.get_submodule(layer.router)
        z = entered.reshape(-1, entered.shape[-1]) @ layer.router_weight(model)[1].T + getattr(router, "bias", 0.0)
        p = (z - z.amax(-1, keepdim=True)).exp()
        p = p / p.sum(-1, keepdim=True)
        kept = torch.zeros_like(p)
        for token in range(len(p)):
            order = sorted(range(layer.num_experts), key=lambda e: -z[token, e].item())
            best = order[: model.config.num_experts_per_tok]
            assert sorted(routing.top_k[layer.index][token].tolist()) == sorted(best)
            kept[token, best] = p[token, best]
        got = routing.gate_scores(layer.index)
        assert got.dtype == torch.float32 and torch.allclose(got, kept, atol=1e-6)
        assert torch.allclose(routing.gate_scores(layer.index, masked=False), p, atol=1e-6)
        assert got.sum(-1).max() < 1.0
        returned = weights.reshape(len(p), -1)
        if family in RENORMALISED and returned.shape[-1] == indices.shape[-1]:
            assert torch.allclose(returned.sum(-1), torch.ones(len(p)), atol=1e-5)  # so they would have been wrong


def test_gate_scores_carry_gradients():
    model = tiny("mixtral")
    layer = find_moe_layers(model)[1]
    with record_routing(model, [layer]) as routing:
        model(input_ids=random_tokens(1, 6))
    routing.gate_scores(1)[:, 0].sum().backward()
    assert layer.router_weight(model)[1].grad.abs().sum() > 0


def test_recording_ends_with_the_block():
    model, layers = tiny("olmoe"), find_moe_layers(tiny("olmoe"))
    with record_routing(model, layers) as routing, torch.no_grad():
        model(input_ids=random_tokens(1, 5))
        first = routing.top_k[0]
        model(input_ids=random_tokens(1, 9))
        assert routing.top_k[0].shape == (9, 2)  # each pass replaces the one before
    model(input_ids=random_tokens(1, 5))
    assert routing.top_k[0].shape == (9, 2) and first.shape == (5, 2)
    assert not any(m._forward_hooks for layer in layers for m in [model.get_submodule(layer.router)])


def test_a_router_that_returns_something_else():
    model = tiny("olmoe")
    layers = find_moe_layers(model)
    parent = model.get_submodule("model.layers.1.mlp")
    parent.gate = nn.Linear(32, 8, bias=False)
    with pytest.raises(ValueError, match="model.layers.1.mlp.gate"), record_routing(model, layers):
        model(input_ids=random_tokens(1, 4))
