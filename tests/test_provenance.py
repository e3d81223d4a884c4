"""What stands beside a result about its making, and what `make verify` finds when a result was changed by hand."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from records import unrecorded
from rule_stages import rules
from stub_project import ROOT
from test_unlearn import TRAINING, arguments, bytes_of, place, script  # noqa: F401

import attack
import cache_prefix
import check_attribution
from jobs import provenance
from jobs.files import read_json, sha256

VERIFY = ROOT / "workflow_scripts/launch/verify.py"


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
    assert verified(made) == (0, ["6 files compared, 0 not as they were made"])


@pytest.mark.parametrize("name", ["trajectory.json", "parameters.json", "checkpoints/step-0004.safetensors"])
def test_a_change_by_hand_is_named(made, tmp_path, name):
    shutil.copytree(made, tmp_path / "copy")
    path = tmp_path / "copy/cell" / name
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    assert verified(tmp_path / "copy") == (
        1,
        [f"{path}: changed since it was made", "6 files compared, 1 not as they were made"],
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


# Rules whose outputs have another record than a provenance, and where that is written.
OTHERWISE = {
    "download_dataset": ("download_dataset.py", "<file>.source.json: repository, commit, hashes"),
    "download_model": ("download_model.py", "source.json: the same"),
}


def test_every_rule_that_writes_a_result_records_what_made_it():
    """Read from the rules, so that a new one is not forgotten; that the records say the truth other tests show."""
    scripts = {name: f"{rule['stage']}.py" for name, rule in rules().items() if rule["outputs"]}
    assert len(scripts) > 25 and {"export", "attack", "build_books", "tune", "audit"} <= set(scripts)
    for rule, name in scripts.items():
        text = (ROOT / "workflow_scripts" / name).read_text()
        if rule in OTHERWISE:
            assert OTHERWISE[rule][0] == name and re.search(r"\bRECORD\b|source\.json\"|record_of", text), rule
        else:
            assert "provenance.record(" in text, f"rule {rule}: {name} records nothing"
    assert set(OTHERWISE) <= set(scripts)


@pytest.fixture(scope="module")
def study(made, place, tmp_path_factory) -> Path:  # noqa: F811
    """The cell above, and beside it what the smaller stages make of it and of its model."""
    folder = tmp_path_factory.mktemp("study")
    shutil.copytree(made / "cell", folder / "cell")
    letters = "abcdefghijkl"
    probes = [{"subject": x, "query": f"abc{x}", "answer": "de", "level": "1", "type": "simple"} for x in letters]
    (place / "probes.jsonl").write_text("".join(json.dumps(probe) + "\n" for probe in probes))
    test = {"kind": "generation", "files": {"level1": "probes.jsonl"}, "score": "rouge", "max_new_tokens": 2}
    test |= {"chat_template": False}
    benchmark = {"name": "b", "forget": "forget.jsonl", "retain": "retain.jsonl"}
    benchmark |= {"forget_test": test, "utility_test": test}
    half = dict.fromkeys(("fa", "ut", "fa_original", "ut_original")) | {"step": 4}
    chosen = half | {"collapsed": False, "halves": {"test": half, "development": half}}
    (folder / "cell/chosen.json").write_text(json.dumps({"balance": chosen}))
    provenance.record(folder / "cell/chosen.json", {}, [], [folder / "cell/chosen.json"])
    scores = {"layers": {str(n): {"gate_score": [0.1, 0.3 if n == 2 else 0.2]} for n in range(3)}}
    (place / "affinity.json").write_text(json.dumps(scores))
    common = {"model": place / "model", "data": place}
    packed = {"batch_size": TRAINING["batch_size"], "block_length": TRAINING["block_length"]}
    packed |= {"benchmark": benchmark, "precision": "float32"}
    attacked = {"cell": folder / "cell", "selection": place / "selection.json"}
    attacked |= {"output": folder / "cell/attacks/8-bits.json"}
    quantize = {"attack": {"kind": "quantize", "bits": 8}, "training": TRAINING}
    kept = {"affinity": place / "affinity.json", "limit-gb": 1, "output": folder / "prefix/seed-0.safetensors"}
    checked = {"seed": 3, "output": folder / "checks.json"}
    before = sys.argv
    for stage, settings, given in (
        (attack, packed | quantize, attacked),
        (check_attribution, packed | {"share": 0.5}, checked),
        (cache_prefix, packed, kept),
    ):
        given = common | given | {"settings": json.dumps(settings)}
        words = [str(word) for name, value in given.items() for word in (f"--{name}", value)]
        sys.argv = [stage.__name__, *words]
        stage.main()
    sys.argv = before
    return folder


def test_the_smaller_stages_records(study, place):  # noqa: F811
    assert unrecorded(study) == []
    assert verified(study)[0] == 0
    texts = {f"{place}/{name}.jsonl": sha256(place / f"{name}.jsonl") for name in ("forget", "retain")}
    attacked = read_json(study / "cell/attacks/provenance/8-bits.json")
    assert attacked["settings"]["attack"] == {"kind": "quantize", "bits": 8}
    delta = study / "cell/checkpoints/step-0004.safetensors"
    wanted = texts | {str(delta): sha256(delta), f"{place}/probes.jsonl": sha256(place / "probes.jsonl")}
    assert wanted.items() <= attacked["inputs"].items()
    checked = read_json(study / "provenance/checks.json")
    assert (checked["seed"], checked["settings"]["share"]) == (3, 0.5) and texts.items() <= checked["inputs"].items()
    kept = read_json(study / "prefix/provenance/seed-0.json")
    assert kept["base"] == attacked["base"] == sha256(place / "model/model.safetensors")
    assert texts.items() | {(f"{place}/affinity.json", sha256(place / "affinity.json"))} <= kept["inputs"].items()


def test_an_attack_on_another_choice_is_found(study, tmp_path):
    shutil.copytree(study, tmp_path / "copy")
    for path in (tmp_path / "copy").rglob("provenance/*.json"):
        path.write_text(path.read_text().replace(str(study), str(tmp_path / "copy")))
    chosen = tmp_path / "copy/cell/chosen.json"
    chosen.write_text(chosen.read_text() + " ")
    provenance.record(chosen, {}, [], [chosen])
    code, lines = verified(tmp_path / "copy")
    attacked = tmp_path / "copy/cell/attacks/8-bits.json"
    assert code == 1 and lines[0] == f"{attacked}: made from another {chosen} than the one there"
