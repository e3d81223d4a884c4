"""Training chosen experts of a fused block equals the naive gradient mask, step by step.

Naive: the whole fused tensors get gradients, rows of the other experts are set to zero before clipping, and one AdamW
without weight decay holds state for all of it.
"""

import copy

import pytest
import torch
from tiny_models import MOE_FAMILIES, LetterTokenizer, random_texts, random_tokens, tiny

from moe.layers import find_moe_layers
from moe.packing import pack, shuffled
from moe.routing import record_routing
from moe.selected import SelectedExperts, select_experts_
from unlearning.run import unlearn
from unlearning.texts import pack_texts

RATE, STEPS, CLIP = 3e-3, 6, 0.02  # the clip is far below the gradients' norms here, so it binds at every step


def ascent(model, ids: torch.Tensor) -> torch.Tensor:
    """-CE, small enough in vocabulary to be written out."""
    scores = model(input_ids=ids, use_cache=False).logits[:, :-1].log_softmax(-1)
    return scores.gather(-1, ids[:, 1:, None]).mean()


def naive_steps(model, chosen: dict[str, list[int]], whole: list[str], batches: list) -> tuple:
    """Losses, gradient norms and the trained model. chosen: module name -> experts; whole: parameters in full."""
    model.requires_grad_(False)
    masks = {}
    for name, parameter in model.named_parameters():
        owner = name.rpartition(".")[0]
        if owner in chosen:
            masks[name] = torch.zeros(parameter.shape[0])
            masks[name][chosen[owner]] = 1.0
        parameter.requires_grad_(owner in chosen or name in whole)
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    optimizer = torch.optim.AdamW(named.values(), lr=RATE, weight_decay=0.0)
    losses, norms = [], []
    for ids in batches:
        optimizer.zero_grad()
        loss = ascent(model, ids)
        loss.backward()
        for name, parameter in named.items():
            if name in masks:
                parameter.grad *= masks[name].view(-1, *[1] * (parameter.dim() - 1))
        squares = sum(parameter.grad.double().square().sum() for parameter in named.values())
        norms.append(squares.sqrt().item())
        for parameter in named.values():
            parameter.grad *= min(1.0, CLIP / (norms[-1] + 1e-6))
        optimizer.step()
        losses.append(loss.item())
    return losses, norms


def selected_steps(model, chosen: dict[str, list[int]], batches: list) -> tuple:
    """The same with `SelectedExperts`."""
    model.requires_grad_(False)
    for name, experts in chosen.items():
        select_experts_(model, name, experts)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0)
    losses, norms = [], []
    for ids in batches:
        loss = ascent(model, ids)
        loss.backward()
        for parameter in trained:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        norms.append(torch.nn.utils.clip_grad_norm_(trained, CLIP).item())
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    return losses, norms


def compare(naive, ours, original, chosen: dict[str, list[int]]) -> float:
    """Chosen experts agree and moved, frozen ones are bit-identical to the original; returns the largest error."""
    worst = 0.0
    for name, experts in chosen.items():
        wrapped, full, start = (m.get_submodule(name) for m in (ours, naive, original))
        others = [e for e in range(start.num_experts) if e not in experts]
        for field, before in start.named_parameters():
            expected, got = full.get_parameter(field)[experts], wrapped.trained.get_parameter(field)
            worst = max(worst, (expected - got).abs().max().item())
            assert (got - before[experts]).abs().amax(dim=tuple(range(1, before.dim()))).min() > 0
            assert torch.equal(full.get_parameter(field)[others], before[others])
            assert torch.equal(wrapped.frozen.get_parameter(field), before)  # the frozen path keeps the old experts
    return worst


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("family", MOE_FAMILIES)
def test_equals_the_gradient_mask(family, seed):
    original = tiny(family, seed)
    layers = find_moe_layers(original)[-2:]
    batches = [random_tokens(2, 12, 10 * seed + step) for step in range(STEPS)]
    with record_routing(original, layers) as routing, torch.no_grad():
        original(input_ids=torch.cat(batches))
    chosen = {}
    for layer, count in zip(layers, (1, 3), strict=True):
        used = torch.bincount(routing.top_k[layer.index].flatten(), minlength=layer.num_experts)
        chosen[layer.experts] = sorted(used.argsort(descending=True)[:count].tolist())
    naive, ours = copy.deepcopy(original), copy.deepcopy(original)
    expected, norms = naive_steps(naive, chosen, [], batches)
    losses, our_norms = selected_steps(ours, chosen, batches)
    assert min(norms) > 2 * CLIP and losses == pytest.approx(expected, rel=1e-5)
    assert our_norms == pytest.approx(norms, rel=1e-3)
    assert compare(naive, ours, original, chosen) < 1e-3 * RATE * STEPS


def use_per_step(model, layer, batches: list) -> torch.Tensor:
    """`[steps, E]`: tokens that each expert gets in each batch."""
    rows = []
    for ids in batches:
        with record_routing(model, [layer]) as routing, torch.no_grad():
            model(input_ids=ids)
        rows.append(torch.bincount(routing.top_k[layer.index].flatten(), minlength=layer.num_experts))
    return torch.stack(rows)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("family", MOE_FAMILIES)
def test_an_expert_without_tokens_still_moves(family, seed):
    """Its gradient is zero, not absent: under the mask Adam's momentum moves it on, and so it does here. One step has
    tokens for it, the next two have none, alone and beside an expert that does get tokens."""
    original = tiny(family, seed)
    layer = find_moe_layers(original)[-1]
    candidates = [random_tokens(1, 4, 1000 * seed + draw) for draw in range(40)]
    used = use_per_step(original, layer, candidates)
    with_loss = use_per_step(original, layer, [ids[:, :-1] for ids in candidates])  # the last token predicts nothing
    learning = [e for e in range(layer.num_experts) if with_loss[:, e].sum() > 0]
    rare = min(learning, key=lambda e: used[:, e].sum().item())
    picks = [(with_loss[:, rare] > 0).nonzero()[0].item(), *(used[:, rare] == 0).nonzero()[:2, 0]]
    batches = [candidates[i] for i in picks]
    in_use = use_per_step(original, layer, batches)[1:].all(0)
    other = next(e for e in range(layer.num_experts) if e != rare and in_use[e])
    for experts in ([rare], sorted([rare, other])):
        chosen = {layer.experts: experts}
        naive, ours, early = (copy.deepcopy(original) for _ in range(3))
        expected, norms = naive_steps(naive, chosen, [], batches)
        losses, our_norms = selected_steps(ours, chosen, batches)
        if experts == [rare]:
            assert norms[1:] == our_norms[1:] == [0.0, 0.0]
        assert losses == pytest.approx(expected, rel=1e-5)
        assert compare(naive, ours, original, chosen) < 1e-3 * RATE * STEPS
        selected_steps(early, chosen, batches[:1])
        trained = [m.get_submodule(layer.experts).trained.get_parameter("down_proj") for m in (early, ours)]
        assert (trained[0] - trained[1])[experts.index(rare)].abs().max() > 0.1 * RATE


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("family", MOE_FAMILIES)
def test_ties_in_the_router(family, seed):
    """Two experts with equal router rows tie on every token, also at the edge of the top-K."""
    original = tiny(family, seed)
    layer = find_moe_layers(original)[-1]
    batches = [random_tokens(2, 12, 10 * seed + step) for step in range(STEPS)]
    router = layer.router_weight(original)[1]
    use = use_per_step(original, layer, batches).sum(0)
    first, second = use.argsort(descending=True)[:2].tolist()
    with torch.no_grad():
        for parameter in original.get_submodule(layer.router).parameters():
            parameter[second] = parameter[first]
    with record_routing(original, [layer]) as routing, torch.no_grad():
        original(input_ids=torch.cat(batches))
    logits, top_k = routing.logits[layer.index], routing.top_k[layer.index]
    assert torch.equal(logits[:, first], logits[:, second])
    at_the_edge = (top_k == first).any(-1) != (top_k == second).any(-1)
    assert at_the_edge.any() and ((top_k == first).any(-1) & (top_k == second).any(-1)).any()
    assert router.shape[0] == layer.num_experts
    use = torch.bincount(top_k.flatten(), minlength=layer.num_experts)
    chosen = {layer.experts: [max((first, second), key=lambda e: use[e].item())]}
    naive, ours = copy.deepcopy(original), copy.deepcopy(original)
    expected, _ = naive_steps(naive, chosen, [], batches)
    losses, _ = selected_steps(ours, chosen, batches)
    assert losses == pytest.approx(expected, rel=1e-5)
    assert compare(naive, ours, original, chosen) < 1e-3 * RATE * STEPS


@pytest.mark.parametrize("family", MOE_FAMILIES)
def test_unlearn_with_the_router(family, monkeypatch):
    """The stage itself, router trained beside the expert, anchor off: the same steps as the naive loop."""
    monkeypatch.setattr("unlearning.run.CLIP", CLIP)
    original = tiny(family, seed=1)
    layer = find_moe_layers(original)[-1]
    tokenizer, texts = LetterTokenizer(), random_texts(12, 30)
    training = {
        "batch_size": 2,
        "block_length": 16,
        "steps": STEPS,
        "checkpoint_growth": 2,
        "probe_every": STEPS,
        "probe_blocks": 2,
    }
    stream = shuffled(pack(texts, tokenizer, 16), 2, seed=5)
    batches = [next(stream).input_ids for _ in range(STEPS)]
    chosen = {layer.experts: [use_per_step(original, layer, batches).sum(0).argmax().item()]}
    experts = {str(layer.index): chosen[layer.experts]}
    selection = {"experts": experts, "routers": [layer.index], "anchor": experts}
    whole = [f"{layer.router}.{name}" for name, _ in original.get_submodule(layer.router).named_parameters()]
    naive, ours = copy.deepcopy(original), copy.deepcopy(original)
    expected, norms = naive_steps(naive, chosen, whole, batches)
    settings = {"method": {"name": "ga"}, "scope": {"kind": "uoe", "alpha": 0.0}, "training": training}
    settings |= {"learning_rate": RATE}
    blocks = pack_texts(tokenizer, texts, [], settings)
    trajectory, _ = unlearn(ours, blocks, settings, selection, 5, lambda step: None)
    assert [step["forget_loss"] for step in trajectory["steps"]] == pytest.approx(expected, rel=1e-5)
    assert [step["gradient_norm"] for step in trajectory["steps"]] == pytest.approx(norms, rel=1e-3)
    assert min(norms) > 2 * CLIP and compare(naive, ours, original, chosen) < 1e-3 * RATE * STEPS
    for name in whole:
        got = ours.get_parameter(name)
        # Rows of unused experts have gradients of rounding size, which Adam blows up: a wider bound than above.
        assert (got - naive.get_parameter(name)).abs().max() < 2e-2 * RATE * STEPS
        assert not torch.equal(got, original.get_parameter(name))


@pytest.mark.parametrize("chosen", [[], [2, 1], [1, 1], [-1], [8]])
def test_chosen_must_be_distinct_ascending_and_there(chosen):
    model = tiny("olmoe")
    with pytest.raises(ValueError, match=r"0\.\.7"):
        SelectedExperts(model.get_submodule(find_moe_layers(model)[0].experts), chosen)


def test_the_copy_holds_only_the_chosen_experts():
    model = tiny("olmoe")
    experts = model.get_submodule(find_moe_layers(model)[0].experts)
    one = sum(p[0].numel() for p in experts.parameters())
    selected = SelectedExperts(experts, [1, 6])
    assert sum(p.numel() for p in selected.parameters() if p.requires_grad) == 2 * one
    assert {p.dtype for p in SelectedExperts(experts.bfloat16(), [0]).trained.parameters()} == {torch.float32}
