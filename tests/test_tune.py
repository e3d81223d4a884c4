"""The stage `tune` on a tiny model that knows its questions: what is tried, what is taken, and that it resumes."""

import json
import os
import subprocess
import sys
import time

import pytest
from test_evaluation import BENCHMARK, data, folder, tokenizer  # noqa: F401 (fixtures)
from test_evaluation import run as evaluate_folder

import evaluate
import tune
import unlearn
from benchmarks.curve import curve
from jobs.files import read_json

TRAINING = {"batch_size": 2, "block_length": 16, "steps": 12, "checkpoint_growth": 1, "probe_every": 12}
TRAINING |= {"probe_blocks": 2}
SETTINGS = {
    "benchmark": BENCHMARK, "method": {"name": "ga"}, "scope": {"kind": "baseline"}, "training": TRAINING,
    "start": {"learning_rate": 3e-3}, "trials": 5, "batch_size": 64, "precision": "float32",
}  # fmt: skip


@pytest.fixture(scope="module")
def place(folder, data, tmp_path_factory):  # noqa: F811
    """Folder of the untouched model's scores and of an empty selection."""
    path = tmp_path_factory.mktemp("tuning")
    with pytest.MonkeyPatch.context() as patch:
        evaluate_folder(patch, folder, data, path / "original.json", BENCHMARK)
    (path / "nothing.json").write_text(json.dumps({"experts": {}, "routers": [], "anchor": {}}))
    return {"model": folder, "data": data, "original": path / "original.json", "selection": path / "nothing.json"}


def arguments(place, output, settings=SETTINGS) -> list[str]:
    given = place | {"settings": json.dumps(settings), "seed": 0, "output": output}
    return [text for name, value in given.items() for text in (f"--{name}", str(value))]


def tuned(monkeypatch, place, output, settings=SETTINGS) -> dict:
    monkeypatch.setattr(sys, "argv", ["tune.py", *arguments(place, output, settings)])
    tune.main()
    return read_json(output)


def test_every_trial_is_the_cells_own_run_and_the_best_is_taken(monkeypatch, place, tmp_path):
    """The last trial that was not lost is run again as a cell: its scores at that step are the trial's."""
    result = tuned(monkeypatch, place, tmp_path / "tuned.json")
    assert len(result["tried"]) == 5 and not list(tmp_path.glob("*state*"))
    best = max(result["tried"], key=lambda trial: trial["value"])
    assert result["chosen"] == {"learning_rate": best["learning_rate"]} and best["value"] > 0
    assert {trial["learning_rate"] for trial in result["tried"]} > {3e-3}

    cell, step = tmp_path / "cell", f"step-{best['step']:04d}.safetensors"
    settings = {key: SETTINGS[key] for key in ("benchmark", "method", "scope", "training")}
    given = {"settings": json.dumps(settings), "model": place["model"], "data": place["data"], "seed": 0}
    given |= {"selection": place["selection"], "tuned": tmp_path / "tuned.json", "output": cell}
    command = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    monkeypatch.setattr(sys, "argv", ["unlearn.py", *command])
    unlearn.main()
    given = {key: place[key] for key in ("model", "data", "original")} | {"output": tmp_path / "metrics.json"}
    given |= {"settings": json.dumps(SETTINGS), "checkpoints": cell / "checkpoints" / step}
    command = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *command])
    evaluate.main()
    (entry,) = read_json(tmp_path / "metrics.json")["checkpoints"]
    (original,) = read_json(place["original"])["checkpoints"]
    assert curve([entry], original, "development").lowest() == pytest.approx(best["lowest"])


def test_a_killed_job_goes_on_after_its_last_trial(monkeypatch, place, tmp_path):
    whole = tuned(monkeypatch, place, tmp_path / "whole.json")
    state = tmp_path / "killed-state"
    command = [sys.executable, tune.__file__, *arguments(place, tmp_path / "killed.json")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not (state / "state.pt").exists() and time.monotonic() < until and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert (state / "state.pt").exists() and not (tmp_path / "killed.json").exists()
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=one_thread)
    assert "resuming from step" in done.stderr
    assert read_json(tmp_path / "killed.json") == whole and not state.exists()


def test_a_single_trial_is_not_run(monkeypatch, tmp_path):
    """Nothing is read, neither model nor data."""
    settings = {"start": {"learning_rate": 1e-4}, "trials": 1}
    command = ["--settings", json.dumps(settings), "--seed", "0", "--output", str(tmp_path / "t.json")]
    monkeypatch.setattr(sys, "argv", ["tune.py", *command])
    tune.main()
    result = read_json(tmp_path / "t.json")
    assert (result["chosen"], result["tried"], result["edges"]) == ({"learning_rate": 1e-4}, [], [])


def test_where_nothing_can_be_forgotten_nothing_is_tried(monkeypatch, place, tmp_path):
    metrics = read_json(place["original"])
    score = metrics["checkpoints"][0]["forget"]["development"]
    score["value"] = score["chance"]
    (tmp_path / "chance.json").write_text(json.dumps(metrics))
    result = tuned(monkeypatch, place | {"original": tmp_path / "chance.json"}, tmp_path / "tuned.json")
    assert result["tried"] == [] and "nothing measurable to forget" in result["note"]
