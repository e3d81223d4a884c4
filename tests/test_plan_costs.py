"""The table of `make plan`: counts against closed forms, and only what is still to be built."""

import json

import pytest
import yaml
from snakemake.utils import validate
from stub_project import ROOT

import plan as plan_costs
from planning import pictures

GB = 1e9
# One layer's worth of a made-up model: 4 MoE layers of 10 experts of 6 parameters, 1,000 in all.
SIZES = {"moe_layers": 4, "layers": 5, "experts": 10, "hidden": 3, "expert": 6, "active": 900, "top_k": 2}
SCOPES = {"baseline": {"trained": 1000}, "lora": {"trained": 50}, "experts": {"trained": 240}}
COUNTS = {"total": 1000, "sizes": SIZES | {"kept": 50, "vocabulary": 10}, "scopes": SCOPES}


@pytest.mark.parametrize(("scope", "expected"), [
    ({"kind": "baseline"}, 1000), ({"kind": "experts"}, 240), ({"kind": "lora", "rank": 8}, 50),
    ({"kind": "uoe"}, 6 + 10 * 3), ({"kind": "uoe", "experts": 3}, 3 * 6 + 30),
    ({"kind": "uoe", "layers": "all"}, 4 * 36), ({"kind": "hook_mlps"}, 3 * 10 * 6),
    ({"kind": "esft", "threshold": 0.15, "score": "token"}, 4 * 2 * 6),
])  # fmt: skip
def test_trained_parameters(scope, expected):
    assert plan_costs.trained(COUNTS, scope) == expected


def test_memory_and_disk():
    training = {"precision": "bfloat16", "batch_size": 16, "rows_at_once": 4, "block_length": 1024}
    shared, each = plan_costs.gpu_gigabytes(COUNTS, 1000, training)
    assert shared == pytest.approx((2 * 1000 + 16 * 1000) / GB)
    copy = 4 * (6 / 3 + 2 * 3)  # 6 parameters are 3 x 2 intermediates, and its input and output, in fp32
    assert each == pytest.approx(3 + 4096 * (5 * 2 * 50 + 12 * 3 + 2 * 50 + copy) / GB)
    recomputed = plan_costs.gpu_gigabytes(COUNTS, 1000, training | {"gradient_checkpointing": True})[1]
    assert recomputed == pytest.approx(3 + 4096 * (5 * 2 * 3 + 12 * 3 + 2 * 2 * 50 + copy) / GB)
    many = COUNTS | {"sizes": COUNTS["sizes"] | {"vocabulary": 10**6}}  # 512 tokens' logits are more than a layer
    logits = 3 + (4096 * (5 * 2 * 50 + 12 * 3) + 512 * 16 * 10**6) / GB
    assert plan_costs.gpu_gigabytes(many, 0, training)[1] == pytest.approx(logits)
    assert plan_costs.checkpoint_gigabytes(36, {"kind": "uoe"}, training) == 36 * 4 / GB
    assert plan_costs.checkpoint_gigabytes(1000, {"kind": "baseline"}, training) == 1000 * 2 / GB


def test_cells_that_are_there_are_left_out(tmp_path):
    config = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
    validate(config, str(ROOT / "config/schema.yaml"))
    sizes = {"moe_layers": 24, "layers": 24, "experts": 60, "hidden": 2048, "expert": 8_650_752, "active": 2.7e9}
    sizes |= {"kept": 61_500, "vocabulary": 151_936}
    scopes = dict.fromkeys(("baseline", "experts", "experts-routers", "routers"), {"trained": 14_315_784_192})
    real = {"total": 14_315_784_192, "sizes": sizes, "scopes": scopes | {"lora": {"trained": 1e8}}}
    counts = dict.fromkeys(config["models"], real)
    rows = plan_costs.plan(config, counts, tmp_path)
    cells = sum(row["cells"] for row in rows)
    uoe = next(row for row in rows if row["model"] == "qwen1.5-moe-a2.7b-chat" and row["kind"] == "uoe")
    assert uoe["cells"] == 8 + 5 and uoe["gpus"] == uoe["asked"] == 1  # 8 of Table 2, 5 of version 2's Table 7
    full = next(row for row in rows if row["model"] == "deepseek-v2-lite" and row["kind"] == "baseline")
    assert full["gpus"] == full["asked"] == 4 and full["gpu_gb"] > 14.3 * 18
    three = next(row for row in rows if row["model"] == "deepseek-v2-lite" and row["kind"] == "hook_mlps")
    assert three["gpus"] == three["asked"] == 1 and three["gpu_gb"] < 85  # RMU's own baseline: one GPU holds it
    for method in ("ga", "npo"):
        done = tmp_path / f"cells/qwen1.5-moe-a2.7b-chat/wmdp-cyber/{method}/uoe/seed-0/chosen.json"
        done.parent.mkdir(parents=True)
        done.write_text(json.dumps({}))
    assert sum(row["cells"] for row in plan_costs.plan(config, counts, tmp_path)) == cells - 2
    text = plan_costs.table(rows)
    assert f"{cells} cells, 0 trials" in text and text.count("\n|") == len(rows) + 1  # nothing is tried
    assert "nothing is to be built" in plan_costs.table([])


def test_trials_are_counted_until_they_are_tuned(tmp_path):
    """The study on OLMoE runs three trials for each method and scope: more than it has cells."""
    config = yaml.safe_load((ROOT / "config/olmoe.yaml").read_text())
    validate(config, str(ROOT / "config/schema.yaml"))
    sizes = {"moe_layers": 16, "layers": 16, "experts": 64, "hidden": 2048, "expert": 6_291_456, "active": 1.3e9}
    sizes |= {"kept": 60_000, "vocabulary": 50_304}
    scopes = {"baseline": {"trained": 6.9e9}, "routers": {"trained": 2e6}, "lora": {"trained": 5e7}}
    counts = {"olmoe-1b-7b": {"total": 6_919_161_856, "sizes": sizes, "scopes": scopes}}
    tuned = pictures.tuning_block(config)["combinations"]

    def total(key: str) -> float:
        return sum(row[key] for row in plan_costs.plan(config, counts, tmp_path))

    assert total("trials") == 3 * len(tuned) and total("cells") == len(pictures.grid(config))
    before = total("hours"), total("disk_gb")
    done = tmp_path / f"tuning/{'/'.join(tuned[0])}.json"
    done.parent.mkdir(parents=True)
    done.write_text("{}")
    assert total("trials") == 3 * (len(tuned) - 1)
    assert 0 < total("hours") < before[0] and total("disk_gb") == before[1]  # a trial keeps no checkpoint
