"""Attacks on a model's weights, each against what it is said to do; the table."""

import copy

import pytest
import torch
from synthetic_results import build
from table_helpers import layered_config, make, value
from tiny_models import LetterTokenizer, random_texts, random_tokens, tiny

from attack import attack, choices, mean_overlap
from moe.attacks import disable_, quantize_, relearn_, restore_routers_
from moe.forward import token_nll
from moe.layers import find_moe_layers
from packing import batches, pack


def parameters(model) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("bits", [8, 4])
def test_quantized_rows_have_few_levels_and_lie_within_half_a_step(bits):
    model = tiny("qwen2moe", 1)
    before = parameters(model)
    quantize_(model, bits)
    changed = 0
    for name, now in model.named_parameters():
        old = before[name]
        if now.dim() < 2 or "embed" in name or "lm_head" in name:
            assert torch.equal(now, old), name
            continue
        step = old.abs().amax(-1, keepdim=True) / (2 ** (bits - 1) - 1)
        assert bool(((now - old).abs() <= step / 2 * (1 + 1e-4)).all()), name
        levels = now / step
        assert torch.allclose(levels, levels.round(), atol=1e-3), name
        assert float(levels.detach().abs().max()) <= 2 ** (bits - 1) - 1 + 1e-3
        changed += not torch.equal(now, old)
    assert changed > 10
    again = parameters(model)
    quantize_(model, bits)
    assert all(torch.allclose(now, again[name], atol=1e-6) for name, now in model.named_parameters())


@pytest.mark.parametrize("family", ["qwen2moe", "mixtral", "gptoss"])
def test_a_disabled_expert_adds_nothing(family):
    """Its block's output for tokens that go to it alone is zero; other experts' is unchanged."""
    model = tiny(family, 1)
    layers = find_moe_layers(model)
    layer, whole = layers[-1], copy.deepcopy(model)
    disable_(model, layers, {str(layer.index): [1]})
    hidden = torch.randn(5, model.config.hidden_size, generator=torch.Generator().manual_seed(0))
    for expert in (0, 1):
        index, weight = torch.full((5, 1), expert), torch.ones(5, 1)
        with torch.no_grad():
            now, old = (m.get_submodule(layer.experts)(hidden, index, weight) for m in (model, whole))
        assert float(old.abs().max()) > 0
        assert torch.equal(now, torch.zeros_like(now) if expert == 1 else old)


def test_restored_routers_are_the_untouched_ones_and_nothing_else_changes():
    model = tiny("deepseek", 1)
    before, layers = parameters(model), find_moe_layers(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1)
    unlearned = parameters(model)
    restore_routers_(model, layers, before)
    routers = {layer.router_weight(model)[0] for layer in layers}
    for name, now in model.named_parameters():
        assert torch.equal(now, before[name] if name in routers else unlearned[name]), name


def test_relearning_lowers_the_loss_on_its_texts():
    model = tiny("qwen2moe", 1)
    few = batches(random_tokens(4, 16, seed=2), 2)
    with torch.no_grad():
        first = [token_nll(model, batch).item() for batch in few]
    losses = relearn_(model, few, 20, 3e-3)
    assert len(losses) == 20 and losses[:1] == pytest.approx(first[:1], rel=1e-5)
    with torch.no_grad():
        assert all(token_nll(model, batch).item() < old for batch, old in zip(few, first, strict=True))


def test_kinds_by_their_settings():
    texts = {"forget": random_texts(6, 60, seed=1), "retain": random_texts(6, 60, seed=2)}
    training, nothing = {"block_length": 16, "batch_size": 2}, {"experts": {}}
    settings = {"kind": "relearn", "texts": "retain", "blocks": 3, "steps": 2, "learning_rate": 1e-3}
    model = tiny("qwen2moe", 1)
    with torch.no_grad():
        start = token_nll(model, batches(pack(texts["retain"], LetterTokenizer(), 16)[:3], 2)[0]).item()
    said = attack(model, LetterTokenizer(), settings, nothing, {}, texts, training)
    assert said["tokens"] == 48 and said["loss"]["first"] == pytest.approx(start, rel=1e-5)
    with pytest.raises(SystemExit, match="chooses no expert"):
        attack(model, LetterTokenizer(), {"kind": "disable"}, nothing, {}, texts, training)


def test_overlap_is_one_before_anything_and_falls_with_other_routers():
    model = tiny("qwen2moe", 1)
    (probe,) = batches(random_tokens(3, 16, seed=2), 3)
    before = choices(model, probe)
    assert mean_overlap(before, choices(model, probe), probe) == 1.0
    with torch.no_grad():
        for layer in find_moe_layers(model):
            layer.router_weight(model)[1].neg_()
    now, counted = choices(model, probe), []
    for layer, chosen in before.items():
        pairs = zip(chosen.tolist(), now[layer].tolist(), strict=True)
        counted += [len(set(a) & set(b)) / len(a) for a, b in pairs]
    assert mean_overlap(before, now, probe) == pytest.approx(sum(counted) / len(counted)) and sum(counted) < len(
        counted
    )


def test_the_table(tmp_path):
    config = layered_config()
    root = build(tmp_path, config)
    table, _ = make(root, config, "attacks")
    rows = list(dict.fromkeys(table.frame["row"]))
    assert rows[:2] == ["GA", "GA, weights at 8 bits"] and len(rows) == 2 * (1 + 6) + 2 * (1 + 7)
    assert "GA, control: untouched model without the scope's experts" not in rows
    assert value(table, "GA", "micro-qwen", "wmdp-cyber", "Overlap")["value"] == 0.7
    assert value(table, "GA, fine-tuned on all retain text", "micro-qwen", "wmdp-cyber", "Overlap")["value"] == 0.8
    for quantity in ("FA", "UT"):
        before, after = (
            value(table, row, "micro-qwen", "wmdp-cyber", quantity)["value"]
            for row in ("GA+UOE", "GA+UOE, original routers")
        )
        assert after == pytest.approx(min(1.0, before + 0.1))
