"""Tables that only the study of the papers has."""

import copy
import json

import pytest
from synthetic_results import build, load_config
from table_helpers import make, value

from planning import pictures
from rendering import notes


def test_version_2s_table_7_shows_both_placements(tmp_path):
    config = copy.deepcopy(load_config())
    config["tables"] = {
        "v2_table7": {"models": ["micro-qwen"], "benchmarks": ["rwku"], "methods": ["ga"]}
        | {"scopes": ["uoe", "uoe-3-experts", "uoe-3-layers", "uoe-shared"], "choice": "at_forget_accuracy"}
    }
    config["scopes"]["uoe-shared"] = {"kind": "uoe", "alpha": 1.0, "shared": True}
    table = make(build(tmp_path, config), config, "v2_table7")
    rows = ["1 expert, one layer", "3 experts, one layer", "3 experts, 3 layers"]
    rows += ["1 expert, one layer, and its shared experts"]
    printed = [value(table, row, "micro-qwen", "rwku", "UT")["published"] for row in rows]
    assert printed == ["0.5709", "0.3695", "0.4224", "0.2445"]
    assert "rouge-score" in notes.world(pictures.settings("tables", "v2_table7", config))


def test_table_3_on_architectures(tmp_path):
    counts = {"total": 1_000_000, "selected_experts": {"uoe": 1, "esft-token": 52}}
    shares = {"uoe": 0.06, "lora": 0.725, "lora-separate": 0.890, "esft-token": 2.864, "baseline": 100.0}
    counts["scopes"] = {name: {"trained": round(1e4 * share), "percent": share} for name, share in shares.items()}
    config = copy.deepcopy(load_config())
    block = {"models": ["micro-qwen"], "benchmarks": ["wmdp-cyber"], "selections": {}}
    config["tables"] = {"table3_architectures": block}
    path = tmp_path / "architectures/micro-qwen.json"
    path.parent.mkdir()
    path.write_text(json.dumps(counts))
    table = make(tmp_path, config, "table3_architectures")
    texts = table.wide.texts
    fused, separate, paper = (list(texts[("Qwen", head)]) for head in ("Trained %", "Separate %", "Separate % paper"))
    rows = list(texts.index)
    lora = rows.index("LoRA")
    assert (fused[lora], separate[lora], paper[lora]) == ("0.725", "0.89", "0.87")
    esft = rows.index("esft-token")
    assert (fused[esft], separate[esft], paper[esft]) == ("2.86", "2.86", "3.13")
    assert "lora-separate" not in rows and any("esft-token: 52 experts" in note for note in table.notes)
    path.write_text(json.dumps({"scopes": {}}))
    with pytest.raises(SystemExit, match="micro-qwen.json: key 'selected_experts' is missing"):
        make(tmp_path, config, "table3_architectures")
