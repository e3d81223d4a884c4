"""The unlearning stage: what it trains and probes, repeatability, what it writes, how it fails."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_models import LetterTokenizer, letter_tokenizer, random_texts, tiny

from jobs.files import write_jsonl
from moe.layers import find_moe_layers
from moe.packing import pack
from moe.routing import record_routing
from moe.selection import NOTHING
from unlearn import main
from unlearning.run import unlearn
from unlearning.settings import with_hook_layer
from unlearning.texts import pack_texts

SCRIPT = Path(__file__).parents[1] / "workflow_scripts" / "unlearn.py"
TRAINING = {
    "batch_size": 3,
    "block_length": 16,
    "steps": 4,
    "checkpoint_growth": 2,
    "probe_every": 2,
    "probe_blocks": 2,
}
SELECTION = {"experts": {"2": [1]}, "routers": [2], "anchor": {"2": [1]}}
METHODS = {
    "ga": {},
    "gdiff": {"retain_weight": 1.0},
    "npo": {"beta": 0.1, "per_token": True, "retain_weight": 1.0},
    "rmu": {"hook_layer": 2, "steering": 4.0, "retain_weight": 10.0},
}


def run(model, *, method="ga", scope=None, selection=SELECTION, training=TRAINING, rate=1e-2, seed=0, save=None):
    """The stage without files."""
    settings = {"method": {"name": method} | METHODS[method], "scope": {"kind": "uoe", "alpha": 1.0} | (scope or {})}
    settings |= {"training": training, "learning_rate": rate}
    texts = pack_texts(LetterTokenizer(), random_texts(12, 40, seed=1), random_texts(12, 40, seed=2), settings)
    return unlearn(model, texts, settings, selection, seed, save or (lambda step: None))


def test_probes_and_checkpoints():
    """Overlap is 1 before the first step and counts sets of experts afterwards; shares sum to K."""
    model, untouched, saved = tiny("qwen2moe", 1), tiny("qwen2moe", 1), []
    trajectory, _ = run(model, scope={"kind": "baseline"}, selection=NOTHING, save=saved.append)
    assert saved == [1, 2, 4] and [step["step"] for step in trajectory["steps"]] == [1, 2, 3, 4]
    assert [probe["step"] for probe in trajectory["probes"]] == [0, 2, 4]
    assert (trajectory["moe_layers"], trajectory["experts"], trajectory["top_k"]) == ([0, 1, 2], 8, 2)
    assert set(trajectory["probes"][0]["overlap"].values()) == {1.0}
    for probe in trajectory["probes"]:
        assert all(sum(share) == pytest.approx(2.0) for share in probe["token_share"].values())
    ids = pack(random_texts(12, 40, seed=1), LetterTokenizer(), 16)[:2]
    layers, seen = find_moe_layers(model), []
    for each in (untouched, model):
        with torch.no_grad(), record_routing(each, layers) as routing:
            loss = each(input_ids=ids, labels=ids).loss.item()
        seen.append(routing.top_k)
    last = trajectory["probes"][-1]
    assert last["forget_loss"] == pytest.approx(loss, rel=1e-5)
    for layer in layers:
        pairs = zip(seen[0][layer.index].tolist(), seen[1][layer.index].tolist(), strict=True)
        shares = [len(set(a) & set(b)) / 2 for a, b in pairs]
        assert last["overlap"][str(layer.index)] == pytest.approx(sum(shares) / len(shares))
    assert min(last["overlap"].values()) < 1.0


def test_a_dense_model_has_no_routing_to_probe():
    trajectory, _ = run(tiny("llama", 1), scope={"kind": "baseline"}, selection=NOTHING)
    assert all(probe["overlap"] == probe["token_share"] == {} for probe in trajectory["probes"])
    assert (trajectory["moe_layers"], trajectory["experts"], trajectory["top_k"]) == ([], 0, 0)


def test_a_strong_anchor_raises_the_anchored_expert():
    """An expert that some tokens use: with alpha it is used more than without."""
    first, _ = run(tiny("qwen2moe", 1))
    shares = first["probes"][0]["token_share"]["2"]
    expert = min(range(8), key=lambda e: abs(shares[e] - 0.5))
    chosen = {"experts": {"2": [expert]}, "routers": [2], "anchor": {"2": [expert]}}
    training = TRAINING | {"steps": 30, "checkpoint_growth": 2, "probe_every": 30}
    after = []
    for alpha in (0.0, 1e3):
        trajectory, _ = run(tiny("qwen2moe", 1), scope={"alpha": alpha}, selection=chosen, training=training)
        assert trajectory["probes"][0]["token_share"]["2"] == shares
        after.append(trajectory["probes"][-1]["token_share"]["2"][expert])
    assert after[1] > shares[expert] and after[1] > after[0]


@pytest.mark.parametrize("method", ["ga", "npo", "rmu"])
def test_forgetting_goes_the_right_way(method):
    """Every loss falls; ascent raises the forget text's own loss."""
    training = TRAINING | {"steps": 10, "checkpoint_growth": 2, "probe_every": 10}
    trajectory, _ = run(
        tiny("qwen2moe", 1), method=method, scope={"kind": "baseline"}, selection=NOTHING, training=training, rate=3e-3
    )
    assert trajectory["steps"][-1]["forget_loss"] < trajectory["steps"][0]["forget_loss"]
    if method != "rmu":
        assert trajectory["probes"][-1]["forget_loss"] > trajectory["probes"][0]["forget_loss"]


def test_a_nan_loss_stops_with_one_line():
    model = tiny("qwen2moe", 1)
    with torch.no_grad():
        model.lm_head.weight[3, 0] = float("nan")
    saved = []
    with pytest.raises(SystemExit) as stop:
        run(model, save=saved.append)
    assert stop.value.code == "step 1: the forget loss is nan; lower the learning rate of this cell"
    assert saved == []


def test_a_learning_rate_that_blows_up_stops_with_one_line():
    with pytest.raises(SystemExit, match=r"^step \d+: the (forget loss|gradient norm) is .*; lower the learning rate"):
        run(tiny("qwen2moe", 1), scope={"kind": "baseline"}, selection=NOTHING, rate=1e30)


def test_a_block_length_over_the_text():
    with pytest.raises(SystemExit, match="less than one block"):
        run(tiny("qwen2moe", 1), training=TRAINING | {"block_length": 100_000})


# The script itself, on folders as the workflow has them.


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A model folder with tokenizer, forget and retain texts."""
    folder = tmp_path_factory.mktemp("cell")
    tiny("qwen2moe", 1).save_pretrained(folder / "model")
    letter_tokenizer().save_pretrained(folder / "model")
    for seed, name in enumerate(("forget", "retain")):
        write_jsonl(folder / f"{name}.jsonl", [{"text": text} for text in random_texts(6, 150, seed)])
    (folder / "selection.json").write_text(json.dumps(SELECTION))
    (folder / "nothing.json").write_text(json.dumps(NOTHING))
    return folder


def arguments(place: Path, output: Path, *, method="npo", scope=None, selection="selection", **changed) -> list[str]:
    """Command line of one cell. changed: keys of the settings, or options."""
    settings = {"method": {"name": method} | METHODS[method], "scope": scope or {"kind": "uoe", "alpha": 1.0}}
    settings |= {"benchmark": {"forget": "forget.jsonl", "retain": "retain.jsonl"}}
    settings |= {"training": TRAINING, "learning_rate": 1e-2}
    settings |= {key: changed.pop(key) for key in list(changed) if key in settings}
    settings = json.dumps({key: value for key, value in settings.items() if value is not None})
    given = {"settings": settings, "model": place / "model", "data": place, "output": output, "seed": 0}
    return options(given | {"selection": place / f"{selection}.json"} | changed)


def options(given: dict) -> list[str]:
    """--name value for each of `given`."""
    return [text for name, value in given.items() for text in (f"--{name}", str(value))]


@pytest.fixture
def script(place, monkeypatch):
    """Run the script in this process: importing torch anew takes longer than all the rest."""

    def run_main(output: Path, **changed) -> None:
        monkeypatch.setattr("sys.argv", ["unlearn.py", *arguments(place, output, **changed)])
        main()

    return run_main


def bytes_of(folder: Path) -> dict[str, bytes]:
    """All that numbers come from; the provenance names paths and commits."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.parent.name != "provenance"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("cell", [
    {"method": "npo"}, {"method": "rmu", "scope": {"kind": "baseline"}, "selection": "nothing"},
    {"method": "gdiff", "scope": {"kind": "lora", "rank": 2}, "selection": "nothing"},
], ids=["npo-uoe", "rmu-baseline", "gdiff-lora"])  # fmt: skip
def test_two_runs_give_the_same_bytes(script, tmp_path, cell):
    for name in ("first", "second"):
        script(tmp_path / name, **cell)
    first, second = bytes_of(tmp_path / "first"), bytes_of(tmp_path / "second")
    checkpoints = [f"checkpoints/step-000{step}.safetensors" for step in (1, 2, 4)]
    assert sorted(first) == [*checkpoints, "manifest.json", "parameters.json", "trajectory.json"]
    assert first == second
    assert first["checkpoints/step-0002.safetensors"] != first["checkpoints/step-0004.safetensors"]
    script(tmp_path / "third", **cell, seed=1)
    assert bytes_of(tmp_path / "third")["trajectory.json"] != first["trajectory.json"]


def test_another_process_gives_the_same_bytes(place, script, tmp_path):
    """LoRA's random start included; Python hashes strings differently in every process."""
    cell = {"scope": {"kind": "lora", "rank": 2}, "selection": "nothing"}
    script(tmp_path / "here", **cell)
    command = [sys.executable, str(SCRIPT), *arguments(place, tmp_path / "there", **cell)]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": "1"}, capture_output=True)
    assert bytes_of(tmp_path / "here") == bytes_of(tmp_path / "there")


def test_checkpoints_of_a_longer_run_do_not_stay(script, tmp_path):
    stale = tmp_path / "checkpoints" / "step-0090.safetensors"
    stale.parent.mkdir()
    stale.write_bytes(b"")
    script(tmp_path)
    assert not stale.exists() and len(json.loads((tmp_path / "manifest.json").read_text())["checkpoints"]) == 3


def test_rmu_steers_the_target_layer_itself(place, script, tmp_path):
    """With chosen experts the hook layer of the config gives way to the target layer, the highest of several: a hook
    below it would train nothing, one above would steer what other layers made of it."""
    for name, layers in (("low", [0]), ("two", [0, 1])):
        experts = {str(layer): [1] for layer in layers}
        (place / f"{name}.json").write_text(json.dumps({"experts": experts, "routers": layers, "anchor": experts}))
        script(tmp_path / name, method="rmu", selection=name)
        manifest = json.loads((tmp_path / name / "manifest.json").read_text())
        recorded = json.loads((tmp_path / name / "provenance/manifest.json").read_text())["settings"]
        assert manifest["selection"]["routers"] == layers
        assert manifest["method"]["hook_layer"] == recorded["method"]["hook_layer"] == layers[-1]
        steps = json.loads((tmp_path / name / "trajectory.json").read_text())["steps"]
        assert all(step["gradient_norm"] > 0 for step in steps)


@pytest.mark.parametrize(
    ("kind", "selection", "hook"), [("esft", "low", 2), ("baseline", "nothing", 2), ("random", "low", 0)]
)
def test_the_hook_layer_of_a_scope(kind, selection, hook):
    """Only a scope that trains the target layer replaces the config's hook layer."""
    chosen = {"low": {"experts": {"0": [1]}}, "nothing": NOTHING}[selection]
    assert with_hook_layer({"name": "rmu", "hook_layer": 2}, {"kind": kind}, chosen)["hook_layer"] == hook
    assert with_hook_layer({"name": "ga"}, {"kind": kind}, chosen) == {"name": "ga"}


def test_learning_rate_from_a_tuning_file(place, script, tmp_path):
    (place / "tuned.json").write_text(json.dumps({"chosen": {"learning_rate": 0.01, "beta": METHODS["npo"]["beta"]}}))
    script(tmp_path / "given")
    script(tmp_path / "tuned", learning_rate=None, tuned=place / "tuned.json")
    assert bytes_of(tmp_path / "given") == bytes_of(tmp_path / "tuned")
    (place / "other.json").write_text(json.dumps({"chosen": {"learning_rate": 0.01, "beta": 7.0}}))
    script(tmp_path / "other", learning_rate=None, tuned=place / "other.json")
    assert json.loads((tmp_path / "other/manifest.json").read_text())["method"]["beta"] == 7.0
    assert bytes_of(tmp_path / "other")["trajectory.json"] != bytes_of(tmp_path / "tuned")["trajectory.json"]
    for changed in ({"learning_rate": None}, {"tuned": place / "tuned.json"}):
        with pytest.raises(SystemExit, match="exactly one of --settings"):
            script(tmp_path / "neither", **changed)


@pytest.mark.parametrize(("changed", "line"), [
    ({"model": "nowhere"}, "nowhere: no *.safetensors file"),
    ({"scope": {"kind": "esftt"}}, "scopes: there is no 'esftt' (allowed: baseline, esft, "),
    ({"selection": "absent"}, "absent.json: no such file"),
    ({"benchmark": {"forget": "missing.jsonl", "retain": "retain.jsonl"}}, "missing.jsonl: no such file"),
    ({"benchmark": {"forget": "forget.jsonl", "retain": "wrong.jsonl"}}, "column 'text' is missing"),
])  # fmt: skip
def test_bad_input_gives_one_line(place, script, tmp_path, changed, line):
    (place / "wrong.jsonl").write_text('{"words": "x"}\n')
    with pytest.raises(SystemExit) as stop:
        script(tmp_path / "cell", **changed)
    assert line in stop.value.code and "\n" not in stop.value.code and not (tmp_path / "cell").exists()


def test_gradients_are_clipped_at_norm_1_unless_the_method_says_not(monkeypatch):
    """RMU's gradient is larger than 1; unclipped it is what a limit of infinity gives, from the second step on."""
    steered = METHODS["rmu"] | {"steering": 50.0, "steering_unit": "norm"}
    norms = {}
    for name, settings in (("clipped", steered), ("unclipped", steered | {"clipped": False})):
        monkeypatch.setitem(METHODS, "rmu", settings)
        trajectory, _ = run(tiny("qwen2moe", 1), method="rmu")
        norms[name] = [step["gradient_norm"] for step in trajectory["steps"]]
    monkeypatch.setitem(METHODS, "rmu", steered)
    monkeypatch.setattr("unlearning.run.CLIP", float("inf"))
    trajectory, _ = run(tiny("qwen2moe", 1), method="rmu")
    assert norms["unclipped"] == [step["gradient_norm"] for step in trajectory["steps"]]
    assert norms["clipped"][0] == norms["unclipped"][0] > 1 and norms["clipped"][1:] != norms["unclipped"][1:]
