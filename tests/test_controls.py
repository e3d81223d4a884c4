"""Controls and version 2's placements: what is chosen, what trains, what is printed beside."""

import pytest
import yaml
from stub_project import ROOT
from synthetic_results import build
from table_helpers import layered_config, make, value
from tiny_models import tiny

from moe.delta import trained_tensors
from moe.layers import find_moe_layers
from planning import pictures
from planning.blocks import method_block, scope_block
from scopes import random, uoe

# Two layers: by gate score layer 1 ranks first with expert 2, by token share layer 0 with expert 0.
AFFINITY = {"top_k": 2, "experts": 4, "layers": {
    "0": {"gate_score": [0.10, 0.08, 0.02, 0.01], "token_share": [0.9, 0.5, 0.4, 0.2]},
    "1": {"gate_score": [0.01, 0.05, 0.40, 0.09], "token_share": [0.3, 0.5, 0.8, 0.4]},
    "3": {"gate_score": [0.03, 0.04, 0.05, 0.06], "token_share": [0.5, 0.5, 0.5, 0.5]},
}}  # fmt: skip


def chosen(**scope) -> dict:
    return uoe.select(AFFINITY, {"kind": "uoe"} | scope, seed=0)


def test_by_token_share_another_expert_is_chosen():
    assert chosen()["experts"] == {"1": [2]} and chosen(by="gate_score") == chosen()
    assert chosen(by="token_share") == {"experts": {"0": [0]}, "routers": [0], "anchor": {"0": [0]}}


def test_anywhere_takes_the_highest_scores_of_the_model_whatever_their_layer():
    assert chosen(anywhere=1) == chosen()
    assert chosen(anywhere=3)["experts"] == {"0": [0], "1": [2, 3]}  # .40, .10, .09
    assert chosen(anywhere=4)["experts"] == {"0": [0, 1], "1": [2, 3]} and chosen(anywhere=3) != chosen(layers=3)
    with pytest.raises(SystemExit, match="13 experts anywhere; the model has 12"):
        chosen(anywhere=13)


def test_a_frozen_router_is_neither_trained_nor_anchored():
    assert chosen(frozen_router=True) == {"experts": {"1": [2]}, "routers": [], "anchor": {}}


def test_elsewhere_is_another_layer_the_same_everywhere():
    layers = set()
    for seed in range(20):
        selection = random.select(AFFINITY, {"kind": "random", "draw": 1, "elsewhere": True}, seed=seed)
        assert selection == random.select(AFFINITY, {"kind": "random", "draw": 1, "elsewhere": True}, seed=seed)
        ((layer, experts),) = selection["experts"].items()
        assert layer != "1" and len(experts) == 1
        layers.add((layer, *experts))
    assert len(layers) > 4  # layers and experts are drawn
    only = AFFINITY | {"layers": {"1": AFFINITY["layers"]["1"]}}
    with pytest.raises(SystemExit, match="one MoE layer"):
        random.select(only, {"kind": "random", "draw": 1, "elsewhere": True}, seed=0)


@pytest.mark.parametrize(("family", "shared"), [("qwen2moe", 4), ("deepseek", 3), ("mixtral", 0)])
def test_shared_experts_are_what_stands_beside_router_and_experts(family, shared):
    """Qwen2-MoE: three matrices and a gate; DeepSeek: three matrices; Mixtral has none."""
    model = tiny(family, 1).requires_grad_(False)
    layers = find_moe_layers(model)
    index = layers[-1].index
    selection = {"experts": {str(index): [1]}, "routers": [index], "anchor": {}}
    if not shared:
        with pytest.raises(SystemExit, match=f"layer {index} of MixtralForCausalLM has none"):
            uoe.prepare(model, layers, selection, {"shared": True})
        return
    uoe.prepare(model, layers, selection, {"shared": True})
    names = set(trained_tensors(model))
    beside = {name for name in names if "[" not in name and name != layers[-1].router_weight(model)[0]}
    assert len(beside) == shared and all(f"layers.{index}." in name and "shared" in name for name in beside)
    assert {name for name in names if name.endswith("[1]")} and len(names) == shared + 3


@pytest.mark.parametrize(("name", "last", "wanted"), [
    ("v2_placements", "top 3 experts of the model", ["0.5100", "0.3554", "0.2852"]),
    ("v2_placements_rwku", "top 6 experts of the layer", ["0.5709", "0.2445", "0.2572"]),
])  # fmt: skip
def test_version_two_stands_beside(tmp_path, name, last, wanted):
    config = layered_config()
    root = build(tmp_path, config)
    table = make(root, config, name)
    block = config["tables"][name]
    place = (block["models"][0], block["benchmarks"][0])
    printed = {row: value(table, row, *place, "UT")["published"] for row in table.frame["row"].unique()}
    rows = ["UOE", "UOE and its layer's shared experts", last]
    assert [printed[row] for row in rows] == wanted and printed["Retrained"] == ""


def test_the_table_of_controls(tmp_path):
    config = layered_config()
    root = build(tmp_path, config)
    table = make(root, config, "controls")
    rows = [row for row in dict.fromkeys(table.frame["row"]) if ": " in row]
    one = ["UOE", "UOE, expert chosen by token share", "UOE, router frozen", "Random"]
    one += ["a random expert of another layer", *(f"UOE, layer of rank {rank}" for rank in (2, 3, 4))]
    assert rows == [f"{method}: {label}" for method in ("GA", "NPO") for label in one]  # a block of rows a method
    assert value(table, "GA: UOE", "micro-deepseek", "wmdp-cyber", "UT")["published"] == "0.5100"
    assert value(table, "NPO: UOE", "micro-deepseek", "wmdp-cyber", "UT")["published"] == "0.4790"
    wide = table.wide
    assert wide.starts == [2, 2 + len(one)]  # after Pretrained and Retrained, and between the methods
    assert "best" in wide.styles.loc[[f"NPO: {label}" for label in one], ("Qwen (WMDP)", "UT ↑")].tolist()
    config["tables"]["controls"]["methods"] = ["ga"]
    table = make(root, config, "controls")
    assert "UOE" in set(table.frame["row"])


def test_rmus_baseline_as_version_two_sets_it(tmp_path):
    """The printed values stand at the row with version 2's settings; those are what reaches unlearn.py."""
    config = layered_config()
    root = build(tmp_path, config)
    table = make(root, config, "v2_rmu")
    rows = [row for row in dict.fromkeys(table.frame["row"]) if row.startswith("RMU")]
    assert rows == ["RMU", "RMU, version 2's settings", "RMU, all parameters", "RMU+UOE"]
    printed = [value(table, row, "micro-qwen", "wmdp-cyber", "UT")["published"] for row in rows]
    assert printed == ["", "0.3560", "", "0.5351"]

    def blocks(model: str, method: str) -> tuple[dict, str]:
        return method_block(config, model, method, "baseline"), scope_block(config, method, "baseline")["kind"]

    paper = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
    for model, real in (("micro-qwen", "qwen1.5-moe-a2.7b-chat"), ("micro-deepseek", "deepseek-v2-lite")):
        read = [blocks(model, method) for method in ("rmu", "rmu-v2", "rmu-all")]
        (own, hooked), (second, same), (everything, kind) = read
        steering = paper["models"][real]["rmu_steering"]
        assert second["steering"] == own["steering"] * steering["baseline"] / steering["others"]
        assert second["retain_weight"] == paper["methods"]["rmu"]["retain_weight"] == 1200.0
        assert (hooked, same, kind) == ("hook_mlps", "hook_mlps", "baseline") and everything == own
    with pytest.raises(SystemExit, match="methods: rmu-v2: steering: there is none for model micro-mixtral"):
        method_block(config, "micro-mixtral", "rmu-v2", "baseline")
    assert pictures.settings("tables", "v2_rmu", config)["retrained"] == ["wmdp-cyber"]
