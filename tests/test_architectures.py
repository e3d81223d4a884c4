"""Table 3 on the real architectures, without weights; experts selected from scores made elsewhere."""

import json
import random
import subprocess
import sys

import pytest
import yaml
from stub_project import ROOT
from tiny_models import tiny

from moe import parameter_counts
from moe.layers import find_moe_layers

ARCHITECTURES = yaml.safe_load((ROOT / "config/architectures.yaml").read_text())
REAL = {  # total, then percent: UOE, LoRA rank 8 as trained here, LoRA on separate projections
    "qwen1.5-moe-a2.7b-chat": (14_315_784_192, "0.0613", "0.725", "0.890"),
    "deepseek-v2-lite": (15_706_484_224, "0.0559", "0.749", "0.923"),
    "mixtral-8x7b-instruct-v0.1": (46_702_792_704, "0.3773", "0.239", "0.257"),
}


@pytest.mark.parametrize("name", REAL)
def test_the_real_models(name):
    """Two experts in each of DeepSeek's 26 MoE layers are the 2.864 % that the papers' ESFT row implies."""
    total, uoe, fused, separate = REAL[name]
    two = {"experts": {str(layer): [0, 5] for layer in range(1, 27)}, "routers": [], "anchor": {}}
    counts = parameter_counts.count(ARCHITECTURES[name], 8, {"esft": two} if name == "deepseek-v2-lite" else {})
    share = {scope: entry["percent"] for scope, entry in counts["scopes"].items()}
    assert counts["total"] == total
    assert (f"{share['uoe']:.4f}", f"{share['lora']:.3f}", f"{share['lora-separate']:.3f}") == (uoe, fused, separate)
    assert share["baseline"] == 100.0
    assert share["experts"] + share["routers"] == pytest.approx(share["experts-routers"])
    if name == "deepseek-v2-lite":
        assert f"{share['esft']:.3f}" == "2.864" and counts["selected_experts"]["esft"] == 52


@pytest.mark.parametrize("name", ["llama-3-8b", "phi-3.5-mini", "olmoe-1b-7b"])
def test_the_other_totals(name):
    model = parameter_counts.empty_model(ARCHITECTURES[name])
    assert sum(parameter.numel() for parameter in model.parameters()) == ARCHITECTURES[name]["total"]
    assert all(parameter.is_meta for parameter in model.parameters())


@pytest.mark.parametrize("family", ["qwen2moe", "deepseek", "mixtral", "granite", "gptoss"])
def test_separate_lora_against_matrices_counted_one_by_one(family):
    model, rank = tiny(family), 3
    layers = find_moe_layers(model)
    own = layers[0].num_experts * len(layers) * 3 * rank * (32 + 16)  # gate, up and down, 32 x 16, in every family
    linear = 0
    for name, module in model.named_modules():
        if type(module).__name__ == "Linear" and ".layers." in name:
            linear += rank * sum(module.weight.shape)
    assert parameter_counts.separate_lora(model, layers, rank) == own + linear


def scores(layers: int, experts: int) -> dict:
    generator = random.Random(5)
    kinds = {}
    for kind, total in (("token_scores", 1.0), ("gate_scores", 0.36)):
        rows = {}
        for layer in range(1, layers + 1):
            raw = [generator.expovariate(1.0) for _ in range(experts)]
            rows[str(layer)] = {str(e): round(total * value / sum(raw), 4) for e, value in enumerate(raw)}
        kinds[kind] = rows
    return kinds


@pytest.mark.parametrize("kind", ["token", "gate"])
def test_selection_from_given_scores(tmp_path, kind):
    """ESFT's rule, written down again: sort, and add up until p is reached."""
    given, chosen = tmp_path / "scores.json", tmp_path / "selection.json"
    given.write_text(json.dumps(scores(6, 64)))
    settings = json.dumps({"kind": "esft", "threshold": 0.2, "score": kind})
    words = ["--scores", given, "--settings", settings, "--seed", "0", "--output", chosen]
    subprocess.run([sys.executable, ROOT / "workflow_scripts/select_experts.py", *map(str, words)], check=True)
    selection = json.loads(chosen.read_text())
    assert selection["routers"] == [] and selection["anchor"] == {}
    for layer, experts in scores(6, 64)[f"{kind}_scores"].items():
        left, expected = 0.2, []
        for expert in sorted(experts, key=lambda e: (-experts[e], int(e))):
            if left <= 1e-12:
                break
            expected.append(int(expert))
            left -= experts[expert]
        assert selection["experts"][layer] == sorted(expected)


@pytest.mark.parametrize(("content", "changed", "message"), [
    ({"layers": {}}, {}, "neither token_scores nor gate_scores"),
    ({"token_scores": {"1": {"0": 0.5, "2": 0.5}}}, {}, "layer 1: experts must be 0 to 1"),
    ({"token_scores": {"1": {"0": 1.0}, "2": {"0": 0.5, "1": 0.5}}}, {}, "different numbers of experts (1, 2)"),
    ({"gate_scores": {"1": {"0": 1.0}}}, {}, "scope esft: layer 1: no token_share"),
    ({"token_scores": {"1": {"0": 1.0}}}, {"threshold": 1.5}, "threshold 1.5 must lie in (0, 1]"),
])  # fmt: skip
def test_bad_scores_end_with_one_line(tmp_path, content, changed, message):
    given = tmp_path / "scores.json"
    given.write_text(json.dumps(content))
    settings = json.dumps({"kind": "esft", "threshold": 0.2, "score": "token"} | changed)
    command = [sys.executable, ROOT / "workflow_scripts/select_experts.py", "--scores", given]
    command += ["--settings", settings, "--seed", "0", "--output", tmp_path / "s"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1 and result.stderr.count("\n") == 1 and message in result.stderr, result.stderr
