import json
import sys

import pytest

import check_knows_world
import choose_checkpoint
from benchmarks.choice import best_balance, keep_and_left, unmeasurable
from benchmarks.halves import HALVES, half


def score(value, chance=0.25, stderr=0.01):
    measured = {"metric": "acc", "value": value, "stderr": stderr, "n": 100, "chance": chance}
    return measured | {"answers": None, "constant": None}


def entry(step, forget, utility, collapsed=False, **reported):
    """A checkpoint with the given development values; `reported` may give other ones to the test half and to all."""
    test_forget, test_utility = reported.get("test", (forget, utility))
    all_forget, all_utility = reported.get("all", (forget, utility))
    return {
        "step": step,
        "collapsed": collapsed,
        "collapse_reasons": ["forget: broken"] if collapsed else [],
        "forget": {"development": score(forget), "test": score(test_forget), "all": score(all_forget)},
        "utility": {"development": score(utility), "test": score(test_utility), "all": score(all_utility)},
        "extra": {"level1": {"development": score(0.1), "test": score(0.2)}},
    }


ORIGINAL = entry(0, 0.85, 0.65)


def balance(checkpoints, original=ORIGINAL):
    return choose_checkpoint.balance(checkpoints, original, "development", "test")


def test_keep_and_left_are_corrected_for_chance_and_clipped():
    assert keep_and_left(entry(10, 0.40, 0.55), ORIGINAL, "development") == pytest.approx((0.75, 0.25))
    assert keep_and_left(entry(10, 0.95, 0.10), ORIGINAL, "development") == (0.0, 1.0)
    assert keep_and_left(entry(10, 0.10, 0.70), ORIGINAL, "development") == (1.0, 0.0)


def test_balance_is_chosen_on_development_and_reported_on_the_other_half():
    best = entry(20, 0.30, 0.60, test=(0.35, 0.58))
    chosen = balance([entry(10, 0.70, 0.65), best, entry(30, 0.25, 0.30, test=(0.0, 0.9))])
    assert (chosen["step"], chosen["status"]) == (20, "chosen")
    assert (chosen["fa"]["value"], chosen["ut"]["value"]) == (0.35, 0.58)
    assert chosen["fa_original"]["value"] == 0.85 and chosen["extra"]["level1"]["value"] == 0.2


def test_total_collapse_to_chance_is_worth_no_more_than_doing_nothing():
    untouched, broken, good = entry(10, 0.85, 0.65), entry(20, 0.25, 0.25), entry(30, 0.80, 0.65)
    assert balance([untouched, broken])["step"] == 10  # Keep - Left is 0 for both: the earlier one
    assert balance([untouched, broken, good])["step"] == 30


def test_ties_go_to_the_earlier_step_even_where_rounding_differs():
    # 0.45 - 0.25 and 0.65 - 0.45 differ in the last bit; both lose 0.05 / 0.4 of utility and 0.4 / 0.6 of knowledge
    checkpoints = [entry(20, 0.45, 0.60), entry(10, 0.45 + 1e-16, 0.60 - 1e-16)]
    assert best_balance(checkpoints, ORIGINAL, "development")["step"] == 10


def test_step_0_is_no_candidate():
    assert balance([entry(0, 0.25, 0.65), entry(10, 0.80, 0.65)])["step"] == 10


def test_collapsed_checkpoints_only_if_all_are():
    broken, poor = entry(10, 0.25, 0.65, collapsed=True), entry(20, 0.84, 0.30)
    assert balance([broken, poor])["step"] == 20
    chosen = balance([broken, entry(20, 0.84, 0.30, collapsed=True)])
    assert (chosen["step"], chosen["status"], chosen["collapsed"]) == (10, "all collapsed", True)
    assert "forget: broken" in chosen["note"]


@pytest.mark.parametrize(
    ("forget", "utility", "word"), [(0.27, 0.65, "forget"), (0.85, 0.279, "lose"), (0.20, 0.65, "forget")]
)
def test_nothing_is_chosen_within_three_standard_errors_of_chance(forget, utility, word):
    chosen = balance([entry(10, 0.25, 0.65), entry(20, 0.85, 0.25)], entry(0, forget, utility))
    assert (chosen["step"], chosen["status"], chosen["keep"], chosen["left"]) == (20, "nothing measurable", None, None)
    assert f"nothing measurable to {word}" in chosen["note"]


def test_measurable_from_three_standard_errors_on():
    assert unmeasurable(entry(0, 0.2801, 0.2801), "development") is None
    silent = entry(0, 0.85, 0.65)
    silent["forget"]["development"] = score(0.0, chance=0.0, stderr=0.0)  # no error either: still nothing to forget
    assert "to forget" in unmeasurable(silent, "development")


@pytest.mark.parametrize(("values", "step", "status"), [
    ([0.60, 0.27, 0.26], 20, "reached"), ([0.60, 0.28, 0.19], 30, "overshot"), ([0.60, 0.20, 0.10], 20, "reached"),
    ([0.60, 0.50, 0.55], 30, "not reached"),
])  # fmt: skip
def test_first_checkpoint_at_the_forget_accuracy_asked(values, step, status):
    checkpoints = [entry(10 * (i + 1), value, 0.6) for i, value in enumerate(values)]
    chosen = choose_checkpoint.at_forget_accuracy(checkpoints, ORIGINAL, 0.27)
    assert (chosen["step"], chosen["status"]) == (step, status)


def run(monkeypatch, module, *arguments):
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
    module.main()


def test_script_writes_the_three_choices_and_refuses_unfit_files(tmp_path, monkeypatch):
    metrics, original, output = tmp_path / "metrics.json", tmp_path / "original.json", tmp_path / "chosen.json"
    checkpoints = [entry(10, 0.50, 0.65, all=(0.30, 0.65)), entry(20, 0.26, 0.60, all=(0.30, 0.40))]
    metrics.write_text(json.dumps({"benchmark": "b", "checkpoints": checkpoints}))
    original.write_text(json.dumps({"benchmark": "b", "checkpoints": [ORIGINAL]}))
    settings = json.dumps({"threshold": 0.27})
    arguments = ["--metrics", metrics, "--original", original, "--settings", settings, "--output", output]
    run(monkeypatch, choose_checkpoint, *arguments)
    chosen = json.loads(output.read_text())
    steps = {name: chosen[name]["step"] for name in chosen}
    assert steps == {"balance": 20, "at_forget_accuracy": 20, "as_published": 10}
    assert chosen["as_published"]["fa"]["value"] == 0.30
    del checkpoints[1]["forget"]["test"]
    metrics.write_text(json.dumps({"benchmark": "b", "checkpoints": checkpoints}))
    with pytest.raises(SystemExit, match=r"metrics.json: step 20: forget was not scored on 'test'"):
        run(monkeypatch, choose_checkpoint, *arguments)
    metrics.write_text(json.dumps({"benchmark": "b", "checkpoints": []}))
    with pytest.raises(SystemExit, match="checkpoints: there is none"):
        run(monkeypatch, choose_checkpoint, *arguments)


def test_of_a_cell_that_trains_much_only_the_chosen_checkpoints_stay(tmp_path, monkeypatch):
    """Their files alone are removed: every checkpoint's scores stay, and so does a cell that trains less."""
    checkpoints = [entry(10 * i, 0.9 - 0.2 * i, 0.66 - 0.02 * i) for i in range(1, 5)]
    (tmp_path / "original.json").write_text(json.dumps({"benchmark": "b", "checkpoints": [ORIGINAL]}))
    for name, percent in (("all", 100.0), ("one", 0.06)):
        folder = tmp_path / name / "checkpoints"
        folder.mkdir(parents=True)
        metrics = json.dumps({"benchmark": "b", "checkpoints": checkpoints})
        (tmp_path / name / "metrics.json").write_text(metrics)
        (tmp_path / name / "parameters.json").write_text(json.dumps({"percent": percent}))
        for step in (10, 20, 30, 40):
            (folder / f"step-{step:04d}.safetensors").write_text("")
        files = ("--metrics", tmp_path / name / "metrics.json", "--original", tmp_path / "original.json")
        settings = json.dumps({"threshold": 0.27, "prune_over": 10})
        rest = ("--settings", settings, "--output", tmp_path / name / "chosen.json")
        run(monkeypatch, choose_checkpoint, *files, *rest)
        chosen = json.loads((tmp_path / name / "chosen.json").read_text())
        kept = {int(path.stem[5:]) for path in folder.iterdir()}
        assert kept == ({choice["step"] for choice in chosen.values()} if name == "all" else {10, 20, 30, 40})
        assert (len(kept) < 4 or name == "one") and (tmp_path / name / "metrics.json").read_text() == metrics


def test_a_model_that_does_not_know_its_world_stops_with_one_line(tmp_path, monkeypatch):
    original = tmp_path / "models" / "micro-qwen" / "seed-0" / "original" / "wmdp-cyber.json"
    original.parent.mkdir(parents=True)
    original.write_text(json.dumps({"benchmark": "wmdp-cyber", "checkpoints": [ORIGINAL]}))
    output = tmp_path / "knows.json"
    arguments = ["--original", original, "--output", output, "--settings"]
    run(monkeypatch, check_knows_world, *arguments, '{"minimum": {"wmdp-cyber": {"forget": 0.75}}}')
    assert json.loads(output.read_text())["checks"][0]["value"] == 0.85
    with pytest.raises(SystemExit) as stop:
        minimum = '{"minimum": {"wmdp-cyber": {"forget": 0.75, "utility": 0.75}}}'
        run(monkeypatch, check_knows_world, *arguments, minimum)
    message = str(stop.value)
    assert "\n" not in message
    for part in ("micro-qwen, seed 0", "wmdp-cyber", "utility", "0.650", "0.75"):
        assert part in message


def test_halves_are_stable_and_balanced():
    assert [half(text) for text in ("a", "b", "c", "d")] == ["development", "development", "development", "development"]
    halves = [half(f"Question {number}?") for number in range(2000)]
    assert set(halves) == set(HALVES) and 0.45 < halves.count("development") / len(halves) < 0.55
