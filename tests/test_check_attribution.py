"""Stability of the attribution and contributions of experts, against sums of their own."""

import pytest
import torch
from scipy import stats
from synthetic_results import build
from table_helpers import layered_config, make
from tiny_models import random_tokens, tiny
from torch.nn.functional import linear, silu

from check_attribution import agreement, check, contributions, spearman
from moe.layers import find_moe_layers


@pytest.mark.parametrize("seed", range(3))
def test_spearman_equals_scipys_with_ties(seed):
    generator = torch.Generator().manual_seed(seed)
    first, second = (torch.randint(0, 6, (20,), generator=generator).tolist() for _ in range(2))
    assert spearman(first, second) == pytest.approx(stats.spearmanr(first, second).statistic)
    assert spearman(first, first) == pytest.approx(1.0)
    assert spearman(first, [-value for value in first]) == pytest.approx(-1.0)


def test_agreement_is_the_share_of_top_k_experts_in_common():
    def affinity(*layers: list[float]) -> dict:
        return {"top_k": 2, "layers": {str(i): {"gate_score": scores} for i, scores in enumerate(layers)}}

    one = affinity([0.4, 0.3, 0.2, 0.1], [0.4, 0.3, 0.2, 0.1])
    two = affinity([0.3, 0.4, 0.1, 0.2], [0.1, 0.4, 0.3, 0.2])
    assert agreement(one, one) == 1.0 and agreement(one, two) == pytest.approx((1.0 + 0.5) / 2)


@pytest.mark.parametrize("family", ["qwen2moe", "mixtral", "deepseek"])
def test_contributions_expert_by_expert_and_token_by_token(family):
    """By the matrices themselves: g * down(silu(gate x) * up x), g from the router's logits, not its weights."""
    model = tiny(family, 1)
    layers, ids = find_moe_layers(model), random_tokens(4, 12, seed=3)
    measured = contributions(model, layers, ids, 2)
    layer = layers[-1]
    seen = {}
    router = model.get_submodule(layer.router)
    handle = router.register_forward_hook(lambda module, args, output: seen.update(x=args[0], chosen=output[2]))
    with torch.no_grad():
        model(input_ids=ids)
        handle.remove()
        hidden = seen["x"].reshape(-1, model.config.hidden_size)
        gates = linear(hidden, layer.router_weight(model)[1]).softmax(-1)
        experts, total = model.get_submodule(layer.experts), torch.zeros(layer.num_experts)
        for token, choice in enumerate(seen["chosen"].reshape(len(hidden), -1).tolist()):
            for expert in choice:
                gate, up = linear(hidden[token], experts.gate_up_proj[expert]).chunk(2)
                total[expert] += gates[token, expert] * linear(silu(gate) * up, experts.down_proj[expert]).norm()
    assert measured[layer.index] == pytest.approx((total / ids.numel()).tolist(), rel=1e-4)


def test_the_whole_check_and_its_subsets():
    model = tiny("qwen2moe", 1)
    layers, ids = find_moe_layers(model), random_tokens(8, 12, seed=3)
    record = check(model, layers, ids, 4, 0.25, seed=0)
    assert record["tokens"] == {"full": 96, "subset": 24} and record["top_k"] == 2
    assert all(0.0 <= value <= 1.0 for value in record["overlap"].values()) and len(record["overlap"]) == 3
    assert all(-1.0 <= part["least"] <= part["mean"] <= 1.0 for part in record["spearman"].values())
    assert check(model, layers, ids, 4, 0.25, seed=0) == record
    same = random_tokens(1, 12, seed=3).expand(8, 12).contiguous()  # every part is the whole
    assert set(check(model, layers, same, 4, 0.5, seed=0)["overlap"].values()) == {1.0}
    with pytest.raises(SystemExit, match="at least one, at most half"):
        check(model, layers, ids, 4, 0.01, seed=0)


def test_the_table_has_the_papers_values_beside(tmp_path):
    config = layered_config()
    root = build(tmp_path, config)
    table = make(root, config, "v2_attribution")
    texts = table.wide.texts
    assert texts.loc["Overlap of the top-2 experts, full vs subset 1", ("DeepSeek", "Value paper")] == "0.94"
    assert list(texts[("DeepSeek", "Value paper")])[-2:] == ["1.0", "1.0"]
    assert list(texts[("Qwen", "Value paper")]) == [""] * 5 and any("8,192" in note for note in table.notes)
