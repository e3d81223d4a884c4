"""Attacks on a model's weights, each against what it is said to do; the table."""

import copy
import json
import math

import pytest
import torch
from synthetic_results import build
from table_helpers import layered_config, make, value
from tiny_models import MOE_FAMILIES, RENORMALISED, LetterTokenizer, random_texts, random_tokens, tiny
from torch import nn
from transformers import DeepseekV3Config
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3TopkRouter

from attack import attack, choices, mean_overlap, read_cell
from moe.attacks import bypass_, disable_, quantize_, relearn_, restore_routers_
from moe.forward import token_nll
from moe.layers import MoELayer, find_moe_layers
from moe.packing import batches, pack
from moe.routing import record_routing


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
        assert float(old.abs().max()) > 0 and torch.equal(now, torch.zeros_like(now) if expert == 1 else old)


@pytest.mark.parametrize("family", MOE_FAMILIES)
def test_tokens_are_sent_past_an_expert_and_the_next_ones_take_over(family):
    model, ids = tiny(family, 1), random_tokens(4, 16, seed=2)
    layers = find_moe_layers(model)
    layer, experts = layers[-1], layers[-1].num_experts  # what enters the last layer does not change
    weights = {}
    model.get_submodule(layer.router).register_forward_hook(lambda module, args, out: weights.update(now=out[1]))

    @torch.no_grad()
    def run():
        with record_routing(model, layers) as routing:
            logits = model(input_ids=ids).logits
        return logits, routing.logits[layer.index], routing.top_k[layer.index], weights["now"]

    _, scores, before, old = run()
    passed = torch.bincount(before.flatten(), minlength=experts).argsort(descending=True)[:2].sort().values.tolist()
    bypass_(model, layers, {str(layer.index): passed})
    out, now, chosen, new = run()
    others = scores.index_fill(-1, torch.tensor(passed), float("-inf")).topk(chosen.shape[-1]).indices
    assert torch.equal(now, scores)  # gate scores stay what they are
    assert torch.equal(chosen.sort().values, others.sort().values) and not torch.equal(before, chosen)
    gates = scores.float().softmax(-1).gather(-1, chosen)
    wanted = gates / gates.sum(-1, keepdim=True) if family in RENORMALISED else gates
    assert torch.allclose(new.float(), wanted, atol=1e-6)
    untouched = ~torch.isin(before, torch.tensor(passed)).any(-1)
    assert untouched.any() and torch.equal(new[untouched].sort().values, old[untouched].sort().values)
    # whatever the experts that were passed would add, nothing of it arrives
    with torch.no_grad():
        for _, parameter in model.get_submodule(layer.experts).named_parameters(recurse=False):
            parameter[passed] = 7.0
    assert torch.equal(run()[0], out)


@pytest.fixture
def sigmoid_router() -> nn.Module:
    """DeepSeek-V3's: sigmoid, a bias that decides the choice but not the weight, groups; renormalised."""
    sizes = {"hidden_size": 16, "n_routed_experts": 8, "num_experts_per_tok": 3, "n_group": 2, "topk_group": 2}
    config = DeepseekV3Config(**sizes, routed_scaling_factor=1.0)
    router = DeepseekV3TopkRouter(config)
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        router.weight.normal_(0, 0.5, generator=draw)
        router.e_score_correction_bias.normal_(0.5, 0.3, generator=draw)
    return nn.ModuleDict({"router": router})


def test_a_router_with_a_bias_on_its_choice_is_bypassed_too(sigmoid_router):
    hidden = torch.randn(50, 16, generator=torch.Generator().manual_seed(1))
    layers, router = [MoELayer(0, "router", "", 8)], sigmoid_router["router"]
    with torch.no_grad():
        logits, _, before = router(hidden)
        bypass_(sigmoid_router, layers, {"0": [2, 5]})
        _, weights, chosen = router(hidden)
    ranked = logits.sigmoid() + router.e_score_correction_bias
    wanted = ranked.index_fill(-1, torch.tensor([2, 5]), float("-inf")).topk(3).indices
    assert torch.equal(chosen.sort().values, wanted.sort().values)
    assert torch.isin(before, torch.tensor([2, 5])).any() and torch.isfinite(weights).all()


def test_experts_that_cannot_be_passed_end_with_one_line(sigmoid_router):
    bypass_(sigmoid_router, [MoELayer(0, "router", "", 8)], {"0": [0, 1, 2, 3, 4, 5]})  # two are left, three are needed
    with pytest.raises(SystemExit, match="attack bypass: router can't be kept from choosing"):
        sigmoid_router["router"](torch.randn(5, 16))


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
    seen = []

    def at(step: int) -> None:
        with torch.no_grad():
            seen.append((step, token_nll(model, few[0]).item()))

    losses = relearn_(model, few, 20, 3e-3, at)
    assert [step for step, _ in seen] == list(range(21)) and seen[0][1] == pytest.approx(first[0], rel=1e-5)
    assert seen[20][1] < seen[5][1] < seen[1][1] < seen[0][1]
    assert len(losses) == 20 and losses[:1] == pytest.approx(first[:1], rel=1e-5)
    with torch.no_grad():
        assert all(token_nll(model, batch).item() < old for batch, old in zip(few, first, strict=True))


def test_kinds_by_their_settings():
    texts = {"forget": random_texts(6, 60, seed=1), "retain": random_texts(6, 60, seed=2)}
    training, nothing = {"block_length": 16, "batch_size": 2}, {"experts": {}}
    settings = {"kind": "relearn", "texts": "retain", "blocks": 3, "steps": 2, "learning_rate": 1e-3}
    settings["tested"], scores = [0, 2], iter((0.2, 0.3))
    model = tiny("qwen2moe", 1)
    with torch.no_grad():
        start = token_nll(model, batches(pack(texts["retain"], LetterTokenizer(), 16)[:3], 2)[0]).item()
    record = attack(model, LetterTokenizer(), settings, nothing, {}, texts, training, lambda: next(scores))
    assert record["curve"] == [{"step": 0, "fa": 0.2}, {"step": 2, "fa": 0.3}]
    assert record["tokens"] == 48 and record["loss"]["first"] == pytest.approx(start, rel=1e-5)
    for kind in ("disable", "bypass"):
        with pytest.raises(SystemExit, match=f"attack {kind}: this scope chooses no expert"):
            attack(model, LetterTokenizer(), {"kind": kind}, nothing, {}, texts, training, None)
    layer = find_moe_layers(model)[-1]
    chosen = {"experts": {str(layer.index): [3]}}
    attack(model, LetterTokenizer(), {"kind": "bypass"}, chosen, {}, texts, training, None)
    (probe,) = batches(random_tokens(3, 16, seed=2), 3)
    assert 3 not in choices(model, probe)[layer.index]


def test_what_is_attacked_was_chosen_on_the_other_half(tmp_path):
    """Scores before are those of the half `test`; a model without a cell can only be fine-tuned."""
    halves = {half: {"step": step, "fa": {"value": step / 100}} for half, step in (("test", 8), ("development", 20))}
    balance = {"step": 8, "collapsed": False, "fa": {"value": 0.14}, "halves": halves}
    (tmp_path / "chosen.json").write_text(json.dumps({"balance": balance}))
    (tmp_path / "selection.json").write_text(json.dumps({"experts": {"2": [1]}}))
    before, delta, selection = read_cell(tmp_path, tmp_path / "selection.json", "bypass")
    assert before == {"step": 8, "fa": {"value": 0.08}, "collapsed": False}
    assert delta == tmp_path / "checkpoints/step-0008.safetensors" and selection["experts"] == {"2": [1]}
    assert read_cell(None, None, "relearn") == ({}, None, {"experts": {}})
    with pytest.raises(SystemExit, match="attack quantize: --cell and --selection are missing"):
        read_cell(None, None, "quantize")


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
    assert mean_overlap(before, now, probe) == pytest.approx(sum(counted) / len(counted))
    assert sum(counted) < len(counted)


def test_the_table(tmp_path):
    config = layered_config()
    root = build(tmp_path, config)
    table = make(root, config, "attacks")
    rows = list(dict.fromkeys(table.frame["row"]))
    assert rows[:2] == ["GA", "GA, weights at 8 bits"] and len(rows) == 2 * (1 + 6) + 2 * (1 + 8)
    for of_experts in ("control: untouched model without the scope's experts", "tokens sent past the scope's experts"):
        assert f"GA, {of_experts}" not in rows and f"GA+UOE, {of_experts}" in rows
    assert value(table, "GA", "micro-qwen", "wmdp-cyber", "Overlap")["value"] == 0.7
    assert value(table, "GA, fine-tuned on all retain text", "micro-qwen", "wmdp-cyber", "Overlap")["value"] == 0.8
    for quantity in ("FA", "UT"):
        rows = ("GA+UOE", "GA+UOE, original routers")
        before, after = (value(table, row, "micro-qwen", "wmdp-cyber", quantity)["value"] for row in rows)
        assert after == pytest.approx(min(1.0, before + 0.1))


def test_hidden_or_gone(tmp_path):
    """Scores before and after are those of the attack's file; the share that is back is of what was forgotten."""
    config = layered_config() | {"seeds": [0, 1]}
    root = build(tmp_path, config)
    cell = "cells/micro-qwen/rwku/ga/uoe"
    for seed, after in enumerate((0.5, 0.6)):
        path = root / f"{cell}/seed-{seed}/attacks/bypassed.json"
        content = json.loads(path.read_text())
        scores = {"fa": {"value": 0.1, "chance": 0.0}, "fa_original": {"value": 0.9, "chance": 0.0}}
        content["before"] |= scores
        content["after"] |= {"fa": {"value": after}}
        path.write_text(json.dumps(content))
    table = make(root, config, "hidden")
    assert len(table.frame) == 16
    row = table.frame[(table.frame["model"] == "micro-qwen") & (table.frame["benchmark"] == "rwku")].iloc[0]
    assert (row["fa"], row["fa_past"], row["back"]) == (0.1, 0.55, pytest.approx(0.5625))
    assert row["low"] < 0.5 < row["high"]
    path.write_text(path.read_text().replace('"value": 0.1', '"value": 0.5'))  # more than half of it is left
    row = make(root, config, "hidden").frame.loc[row.name]
    assert math.isnan(row["back"]) and row["fa"] == pytest.approx(0.3)


def test_relearning_beside_the_retrained_model(tmp_path):
    config = layered_config() | {"seeds": [0, 1]}
    root = build(tmp_path, config)
    table = make(root, config, "relearning")
    frame = table.frame
    assert len(frame) == 4 * (2 * 2 + 1) and (frame["method"] == "retrained").sum() == 4
    row = frame[(frame["method"] == "npo") & (frame["scope"] == "uoe")].iloc[0]
    mean = sum((1, 2, 4, 8, 16)) / 5
    assert row["regained"] == pytest.approx(0.012 * mean) and row["difference"] == pytest.approx(0.002 * mean)
    assert row["fa_16"] - row["fa_0"] == pytest.approx(0.012 * 16)
    config["tables"]["relearning"]["attacks"] = ["relearn-forget", "relearn-retain"]
    with pytest.raises(SystemExit, match="relearning: attacks: .*; one can be shown"):
        make(root, config, "relearning")
