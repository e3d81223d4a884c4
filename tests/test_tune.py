import json
import sys

import pytest
from test_choose_checkpoint import ORIGINAL, entry

import tune


def test_best_checkpoint_of_each_rate_and_best_rate_of_all():
    trials = {
        1e-3: [entry(10, 0.40, 0.60), entry(20, 0.30, 0.30)],
        1e-4: [entry(10, 0.80, 0.65), entry(20, 0.60, 0.64)],
        3e-4: [entry(10, 0.50, 0.65), entry(20, 0.30, 0.62)],
    }
    tuned = tune.tune(trials, ORIGINAL)
    assert tuned["learning_rate"] == 3e-4
    assert [(trial["learning_rate"], trial["step"]) for trial in tuned["tried"]] == [(1e-4, 20), (3e-4, 20), (1e-3, 10)]
    assert tuned["tried"][1]["keep"] == pytest.approx(0.925)
    assert (tuned["tried"][1]["fa"], tuned["tried"][1]["ut"]) == (0.30, 0.62)


def test_collapsed_trials_lose_and_ties_go_to_the_smaller_rate():
    good, broken = [entry(10, 0.50, 0.60)], [entry(10, 0.25, 0.65, collapsed=True)]
    assert tune.tune({1e-3: broken, 1e-4: good, 1e-5: good}, ORIGINAL)["learning_rate"] == 1e-5
    everything = tune.tune({1e-3: broken, 1e-2: broken}, ORIGINAL)
    assert everything["learning_rate"] == 1e-3 and "all have collapsed" in everything["note"]


def test_middle_rate_where_nothing_is_measurable():
    trials = {rate: [entry(10, 0.25, 0.5), entry(20, 0.25, 0.5)] for rate in (1.0, 2.0, 3.0)}
    tuned = tune.tune(trials, entry(0, 0.26, 0.65))
    assert tuned["learning_rate"] == 2.0 and [trial["step"] for trial in tuned["tried"]] == [20, 20, 20]
    assert "nothing measurable to forget" in tuned["note"]


def test_script_reads_rates_from_folders_and_needs_only_the_development_half(tmp_path, monkeypatch):
    def write(path, entries):
        path.parent.mkdir(parents=True, exist_ok=True)
        for one in entries:
            one["forget"].pop("test"), one["utility"].pop("test")
        path.write_text(json.dumps({"benchmark": "b", "checkpoints": entries}))
        return str(path)

    trials = [write(tmp_path / "lr-3e-4" / "metrics.json", [entry(10, 0.5, 0.6)])]
    trials.append(write(tmp_path / "lr-0.001" / "metrics.json", [entry(10, 0.3, 0.6)]))
    original = write(tmp_path / "original.json", [entry(0, 0.85, 0.65)])
    output = tmp_path / "tuning.json"
    settings = json.dumps({"learning_rates": [3e-4, 0.001]})
    rest = ["--original", original, "--settings", settings, "--output", str(output)]
    monkeypatch.setattr(sys, "argv", ["tune", "--trials", *trials, *rest])
    tune.main()
    assert json.loads(output.read_text())["learning_rate"] == 0.001
    stray = write(tmp_path / "fast" / "metrics.json", [entry(10, 0.5, 0.6)])
    monkeypatch.setattr(sys, "argv", ["tune", "--trials", stray, *rest])
    with pytest.raises(SystemExit, match="lr-<learning rate>"):
        tune.main()
