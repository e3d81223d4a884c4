"""From forget text to chosen experts: eq. (2) by a naive loop, ESFT's rule and the draws on scores made by hand."""

import ast
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_models import MOE_FAMILIES, random_tokens, tiny

from jobs import stage
from moe.attribution import attribute
from moe.layers import find_moe_layers
from moe.selection import cumulative, random_expert, ranked, ranked_layers, top_experts
from scopes import esft, random, uoe

SCRIPT = Path(__file__).parents[1] / "workflow_scripts" / "select_experts.py"


def naive_affinity(model, blocks: torch.Tensor) -> dict:
    """{layer: (s_i of eq. 2, share of tokens)} one sequence, one token, one expert at a time."""
    top = model.config.num_experts_per_tok
    affinity = {}
    for layer in find_moe_layers(model):
        router, experts = model.get_submodule(layer.router), range(layer.num_experts)
        weight = next(p for p in router.parameters() if p.dim() == 2)
        bias = getattr(router, "bias", None)
        per_sequence, uses = [], [0] * layer.num_experts
        for block in blocks:
            caught = []
            handle = router.register_forward_pre_hook(lambda module, args, into=caught: into.append(args[0]))
            with torch.no_grad():
                model(input_ids=block[None])
            handle.remove()
            sums = [0.0] * layer.num_experts
            for x in caught[0].reshape(len(block), -1):
                z = [(weight[i] @ x).item() + (bias[i].item() if bias is not None else 0.0) for i in experts]
                kept = sorted(experts, key=lambda i: -z[i])[:top]
                for i in kept:
                    sums[i] += math.exp(z[i]) / sum(math.exp(other) for other in z)
                    uses[i] += 1
            per_sequence.append([total / len(block) for total in sums])
        score = [sum(row[i] for row in per_sequence) / len(blocks) for i in experts]
        affinity[layer.index] = score, [use / blocks.numel() for use in uses]
    return affinity


@pytest.mark.parametrize("family", MOE_FAMILIES)
def test_affinity_is_equation_2(family):
    model, blocks = tiny(family, seed=3), random_tokens(3, 10, seed=5)
    affinity = attribute(model, find_moe_layers(model), blocks, batch_size=2)
    top = model.config.num_experts_per_tok
    expected = naive_affinity(model, blocks)
    assert sorted(affinity["layers"], key=int) == [str(layer) for layer in expected]
    for layer, (score, share) in expected.items():
        got = affinity["layers"][str(layer)]
        assert got["gate_score"] == pytest.approx(score, abs=1e-5)
        assert got["token_share"] == pytest.approx(share, abs=1e-9)
        assert sum(got["token_share"]) == pytest.approx(top)
        assert set(got) == {"gate_score", "token_share"}  # ESFT's relevances are derived from them
        assert sum(got["gate_score"]) < 1.0
    assert (affinity["top_k"], affinity["experts"]) == (top, find_moe_layers(model)[0].num_experts)
    assert (affinity["tokens"], affinity["sequences"]) == (30, 3)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_affinity_does_not_depend_on_the_batch_size(size):
    model, blocks = tiny("qwen2moe", seed=3), random_tokens(5, 8)
    whole = attribute(model, find_moe_layers(model), blocks, batch_size=5)
    parts = attribute(model, find_moe_layers(model), blocks, batch_size=size)
    for layer, scores in whole["layers"].items():
        assert parts["layers"][layer]["gate_score"] == pytest.approx(scores["gate_score"], abs=1e-6)
        assert parts["layers"][layer]["token_share"] == pytest.approx(scores["token_share"], abs=1e-9)


def test_token_share_counts_choices_whose_score_rounds_to_zero():
    """A router so sure that its second choice has probability 0 in fp32 still makes that choice."""
    model = tiny("olmoe")
    layers = find_moe_layers(model)
    with torch.no_grad():
        for layer in layers:
            layer.router_weight(model)[1].mul_(1e4)
    affinity = attribute(model, layers, random_tokens(2, 10), batch_size=2)
    for scores in affinity["layers"].values():
        assert sum(scores["token_share"]) == pytest.approx(2.0)


def made_up(gate: dict[int, list[float]], **more: dict[int, list[float]]) -> dict:
    """Affinity with the given gate scores and any other columns."""
    columns = {"gate_score": gate} | more
    layers = {str(n): {name: values[n] for name, values in columns.items()} for n in gate}
    return {"top_k": 2, "experts": len(next(iter(gate.values()))), "layers": layers}


AFFINITY = made_up(
    {1: [0.1, 0.2, 0.3, 0.0], 4: [0.05, 0.5, 0.2, 0.2], 10: [0.4, 0.0, 0.0, 0.1], 2: [0.25, 0.1, 0.0, 0.0]}
)


def test_top_1_of_the_target_layer():
    chosen = top_experts(AFFINITY)
    assert chosen == {"experts": {"4": [1]}, "routers": [4], "anchor": {"4": [1]}}
    assert uoe.select(AFFINITY, {"kind": "uoe"}, seed=0) == chosen


def test_ranks_follow_the_layers_top_1_score():
    assert ranked_layers(AFFINITY) == [4, 10, 1, 2]
    by_rank = [top_experts(AFFINITY, rank=r)["experts"] for r in (1, 2, 3, 4)]
    assert by_rank == [{"4": [1]}, {"10": [0]}, {"1": [2]}, {"2": [0]}]


def test_several_experts_and_layers():
    assert top_experts(AFFINITY, experts=3)["experts"] == {"4": [1, 2, 3]}
    experts = {"1": [2], "4": [1], "10": [0]}
    assert top_experts(AFFINITY, layers=3) == {"experts": experts, "routers": [1, 4, 10], "anchor": experts}
    assert top_experts(AFFINITY, layers="all")["routers"] == [1, 2, 4, 10]
    assert top_experts(AFFINITY, layers=2, rank=2, experts=2)["experts"] == {"1": [1, 2], "10": [0, 3]}


def test_ties_go_to_the_lower_index():
    assert ranked([0.2, 0.5, 0.5, 0.2]) == [1, 2, 0, 3]
    tied = made_up({3: [0.1, 0.4], 2: [0.4, 0.1]})
    assert ranked_layers(tied) == [2, 3]


@pytest.mark.parametrize(("asked", "line"), [
    ({"rank": 5}, "4 MoE layers"), ({"layers": 5}, "4 MoE layers"), ({"layers": "all", "rank": 2}, "4 MoE layers"),
    ({"experts": 5}, "the model has 4"),
])  # fmt: skip
def test_more_than_the_model_has(asked, line):
    with pytest.raises(SystemExit, match=line):
        top_experts(AFFINITY, **asked)


def test_random_draws():
    """Of the target layer, never its top-1 expert, distinct within a seed, fixed, and different between seeds."""
    affinity = made_up({0: [0.0] * 16, 7: [0.01 * (5 * i % 16) for i in range(16)]})
    top = top_experts(affinity)["experts"]["7"][0]
    orders = set()
    for seed in range(5):
        draws = [random_expert(affinity, seed=seed, draw=draw) for draw in range(1, 16)]
        assert draws == [random_expert(affinity, seed=seed, draw=draw) for draw in range(1, 16)]
        experts = [draw["experts"]["7"][0] for draw in draws]
        assert sorted([*experts, top]) == list(range(16))
        assert all(draw["routers"] == [7] and draw["anchor"] == draw["experts"] for draw in draws)
        orders.add(tuple(experts))
    assert len(orders) == 5
    with pytest.raises(SystemExit, match="15 other experts"):
        random_expert(affinity, seed=0, draw=16)
    assert random.select(affinity, {"kind": "random", "draw": 2}, seed=3) == random_expert(affinity, seed=3, draw=2)


# Token ratios of three layers of eight experts, each summing to 1, and by hand what p = 0.2, 0.5 and 1 select.
RATIOS = {
    1: [0.05, 0.25, 0.10, 0.20, 0.15, 0.05, 0.15, 0.05],  # the first alone is over 0.2
    2: [0.125] * 8,  # all equal: the lowest indices
    9: [0.11, 0.12, 0.10, 0.18, 0.13, 0.14, 0.12, 0.10],
}
BY_HAND = {0.2: {"1": [1], "2": [0, 1], "9": [3, 5]}, 0.5: {"1": [1, 3, 4], "2": [0, 1, 2, 3], "9": [1, 3, 4, 5]}}


@pytest.mark.parametrize("threshold", BY_HAND)
def test_cumulative_rule_of_esft(threshold):
    shares = {n: [2 * ratio for ratio in ratios] for n, ratios in RATIOS.items()}  # K is 2
    affinity = made_up({n: [0.0] * 8 for n in RATIOS}, token_share=shares)
    chosen = cumulative(affinity, threshold=threshold)
    assert chosen == {"experts": BY_HAND[threshold], "routers": [], "anchor": {}}
    assert list(chosen["experts"]) == ["1", "2", "9"]


def test_cumulative_takes_at_least_one_and_at_most_all():
    affinity = made_up({1: [0.2, 0.1, 0.05]}, token_share={1: [1.0, 0.6, 0.4]})
    assert cumulative(affinity, threshold=1e-6)["experts"] == {"1": [0]}
    assert cumulative(affinity, threshold=1.0)["experts"] == {"1": [0, 1, 2]}
    # gate scores sum to less than 1, so the same threshold takes more experts of them, here all
    assert cumulative(affinity, threshold=0.5, score="token")["experts"] == {"1": [0]}
    assert cumulative(affinity, threshold=0.5, score="gate")["experts"] == {"1": [0, 1, 2]}
    scope = {"kind": "esft", "threshold": 0.25, "score": "gate"}
    assert esft.select(affinity, scope, seed=0)["experts"] == {"1": [0, 1]}


def run_script(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True)


def test_script(tmp_path):
    (tmp_path / "affinity.json").write_text(json.dumps(AFFINITY))
    common = ("--settings", '{"kind": "uoe"}', "--seed", "0", "--output", str(tmp_path / "selection.json"))
    assert run_script("--affinity", str(tmp_path / "affinity.json"), *common).returncode == 0
    assert json.loads((tmp_path / "selection.json").read_text()) == top_experts(AFFINITY)

    # a scope that takes whole modules needs no affinity and selects nothing
    assert run_script("--settings", '{"kind": "routers"}', *common[2:]).returncode == 0
    assert json.loads((tmp_path / "selection.json").read_text()) == {"experts": {}, "routers": [], "anchor": {}}

    broken = tmp_path / "broken.json"
    broken.write_text("{")
    for arguments, line in (
        (("--affinity", str(tmp_path / "missing.json"), *common), "no such file"),
        (("--affinity", str(broken), *common), "not valid JSON"),
        (common, "needs --affinity"),
        (("--settings", '{"kind": "esftt"}', *common[2:]), "'esftt' (allowed: baseline, esft, experts, "),
        (("--settings", '{"kind": "uoe", "alpha": 1}', *common[2:]), "does not depend on 'alpha' (allowed: kind, exp"),
    ):
        done = run_script(*arguments)
        assert done.returncode == 1 and line in done.stderr and done.stderr.count("\n") == 1


def test_declarations_of_the_scopes():
    """Literals, as planning reads them without importing the file; what chooses experts has `select`."""
    files = [path for path in (SCRIPT.parent / "scopes").glob("*.py") if path.stem != "__init__"]
    assert len(files) == 9
    for path in files:
        module = stage.load("scopes", path.stem)
        assigned = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign)]
        literals = {node.targets[0].id: ast.literal_eval(node.value) for node in assigned}
        assert literals.keys() == {"TRAINS", "CHOOSES_EXPERTS", "SELECTION_SETTINGS", "OTHER_LAYERS"}
        assert literals["CHOOSES_EXPERTS"] == hasattr(module, "select")
        assert literals["OTHER_LAYERS"] is None or set(literals["OTHER_LAYERS"]) <= set(literals["SELECTION_SETTINGS"])
