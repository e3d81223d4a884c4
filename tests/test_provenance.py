"""What stands beside a result about its making, and what `make verify` finds when a result was changed by hand."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stub_project import ROOT
from test_unlearn import arguments, bytes_of, place, script  # noqa: F401

import provenance
from files import read_json, sha256

VERIFY = ROOT / "workflow_scripts/verify.py"


def verified(folder: Path) -> tuple[int, list[str]]:
    done = subprocess.run([sys.executable, VERIFY, str(folder)], capture_output=True, text=True)
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()


@pytest.fixture(scope="module")
def made(place, tmp_path_factory) -> Path:  # noqa: F811
    """One cell, made by the real stage."""
    folder = tmp_path_factory.mktemp("results")
    command = [sys.executable, ROOT / "workflow_scripts/unlearn.py", *arguments(place, folder / "cell")]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return folder


def test_a_cells_record_says_what_made_it(made, place):  # noqa: F811
    cell = made / "cell"
    record = read_json(cell / "provenance/manifest.json")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    assert record["commit"] in (head, "unknown")
    assert record["dirty"] in (True, False, None)
    import torch
    import transformers

    for name, version in (("torch", torch.__version__), ("transformers", transformers.__version__)):
        assert record["packages"][name] == version
    assert record["settings"]["method"]["name"] == "npo" and record["settings"]["learning_rate"] == 1e-2
    assert (record["seed"], record["world_size"], record["effective_batch"]) == (0, 1, 3)
    assert record["base"] == sha256(place / "model/model.safetensors")
    assert record["inputs"][f"{place}/forget.jsonl"] == sha256(place / "forget.jsonl")
    assert record["outputs"] == {
        f"{name}.json": sha256(cell / f"{name}.json") for name in ("manifest", "parameters", "trajectory")
    }
    assert record["checkpoints"] == read_json(cell / "manifest.json")["checkpoints"]
    # What tables and evaluations read says nothing of the machine, the time or the versions.
    for name in ("manifest", "parameters", "trajectory"):
        text = (cell / f"{name}.json").read_text()
        assert head not in text and torch.__version__ not in text


def test_nothing_changed_is_nothing_found(made):
    assert verified(made) == (0, ["5 files compared, 0 not as they were made"])


@pytest.mark.parametrize("name", ["trajectory.json", "parameters.json", "checkpoints/step-0004.safetensors"])
def test_a_change_by_hand_is_named(made, tmp_path, name):
    shutil.copytree(made, tmp_path / "copy")
    path = tmp_path / "copy/cell" / name
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    assert verified(tmp_path / "copy") == (
        1,
        [f"{path}: changed since it was made", "5 files compared, 1 not as they were made"],
    )
    path.unlink()
    assert verified(tmp_path / "copy")[1][0] == f"{path}: missing"


def test_a_result_of_another_input_is_named(tmp_path):
    """The metrics were made again, differently; what was chosen from the old ones is not theirs."""
    metrics, chosen = tmp_path / "metrics.json", tmp_path / "chosen.json"
    for text in ("old", "new"):
        metrics.write_text(json.dumps(text))
        provenance.record(metrics, {}, [], [metrics])
        if text == "old":
            chosen.write_text("{}")
            provenance.record(chosen, {}, [metrics], [chosen])
            assert verified(tmp_path)[0] == 0
    assert verified(tmp_path)[1][0] == f"{chosen}: made from another {metrics} than the one there"


def test_settings_have_one_hash_in_any_order(tmp_path):
    result = tmp_path / "result.json"
    result.write_text("{}")
    found = []
    for settings in ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}, {"a": 2, "b": {}}):
        provenance.record(result, settings, [], [result])
        found.append(read_json(tmp_path / "provenance/result.json")["settings_sha256"])
    assert found[0] == found[1] != found[2]


def test_data_files_of_a_block():
    block = {"forget": "a.jsonl", "test": {"files": {"x": "b.jsonl"}, "targets": ["c.jsonl", "Name"]}, "n": 3}
    assert provenance.files_named(block, Path("data")) == [Path(f"data/{name}.jsonl") for name in "abc"]
