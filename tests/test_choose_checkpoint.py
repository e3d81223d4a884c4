import json
import sys

import pytest

import check_knows_world
import choose_checkpoint
from benchmarks.choice import best_balance, keep_and_left
from benchmarks.curve import unmeasurable
from benchmarks.halves import HALVES, half


def score(value, chance=0.25, stderr=0.01):
    measured = {"metric": "acc", "value": value, "stderr": stderr, "n": 100, "chance": chance}
    return measured | {"answers": [60, 40], "constant": None}


def entry(step, forget, utility, collapsed=False, test=None, **others):
    """A checkpoint with the given values of the development half; `test` may give other ones to the other half. `all`
    is their mean."""
    values = {"development": (forget, utility), "test": test or (forget, utility)}
    values["all"] = tuple(sum(pair) / 2 for pair in zip(*values.values(), strict=True))
    return {
        "step": step,
        "collapsed": collapsed,
        "collapse_reasons": ["utility: broken"] if collapsed else [],
        "forget": {name: score(pair[0]) for name, pair in values.items()},
        "utility": {name: score(pair[1]) for name, pair in values.items()},
        "extra": {"level1": {"development": score(0.1), "test": score(0.2)}},
        "forget_answers": {"right": 1.0},
    } | others


ORIGINAL = entry(0, 0.85, 0.65)
# A run: FA falls from .85 to .25 while UT falls from .65 to .45
RUN = [
    entry(10, 0.70, 0.63),
    entry(20, 0.55, 0.61),
    entry(30, 0.41, 0.57),
    entry(40, 0.31, 0.51),
    entry(50, 0.25, 0.45),
]


def balance(checkpoints, original=ORIGINAL):
    return choose_checkpoint.balance(checkpoints, original)


def test_keep_and_left_are_corrected_for_chance_and_clipped():
    assert keep_and_left(entry(10, 0.40, 0.55), ORIGINAL, "development") == pytest.approx((0.75, 0.25))
    assert keep_and_left(entry(10, 0.95, 0.10), ORIGINAL, "development") == (0.0, 1.0)
    assert keep_and_left(entry(10, 0.10, 0.70), ORIGINAL, "development") == (1.0, 0.0)


def test_each_half_is_reported_where_the_other_one_chooses_and_both_are_averaged():
    """The development half likes step 20, the test half step 30: each reports the other's."""
    first, second = entry(20, 0.30, 0.60, test=(0.50, 0.58)), entry(30, 0.55, 0.64, test=(0.35, 0.62))
    chosen = balance([entry(10, 0.80, 0.65), first, second])
    assert chosen["steps"] == {"test": 20, "development": 30} and chosen["step"] == 20
    assert chosen["halves"]["test"]["fa"]["value"] == 0.50 and chosen["halves"]["development"]["ut"]["value"] == 0.64
    assert chosen["fa"]["value"] == pytest.approx((0.50 + 0.55) / 2)
    assert chosen["ut"]["value"] == pytest.approx((0.58 + 0.64) / 2)
    assert chosen["fa"]["n"] == 200 and chosen["fa"]["answers"] == [120, 80]
    assert chosen["fa"]["stderr"] == pytest.approx(0.01 / 2**0.5)
    assert chosen["fa_original"]["value"] == 0.85 and chosen["extra"]["level1"]["value"] == pytest.approx(0.15)


def test_noise_that_chooses_a_checkpoint_is_not_reported():
    """A lucky FA of one half chooses its step; the score reported there is the other half's."""
    lucky = entry(20, 0.25, 0.60, test=(0.70, 0.60))
    chosen = balance([entry(10, 0.70, 0.60), lucky, entry(30, 0.70, 0.60)])
    assert chosen["halves"]["test"]["step"] == 20 and chosen["halves"]["test"]["fa"]["value"] == 0.70
    assert choose_checkpoint.as_published([entry(10, 0.70, 0.60), lucky], ORIGINAL)["steps"]["test"] == 20


def test_losing_everything_is_worth_no_more_than_doing_nothing():
    untouched, broken, good = entry(10, 0.85, 0.65), entry(20, 0.25, 0.25), entry(30, 0.80, 0.65)
    assert balance([untouched, broken])["step"] == 10  # Keep - Left is 0 for both: the earlier one
    assert balance([untouched, broken, good])["step"] == 30


def test_ties_go_to_the_earlier_step_even_where_rounding_differs():
    # 0.45 - 0.25 and 0.65 - 0.45 differ in the last bit; both lose 0.05 / 0.4 of utility and 0.4 / 0.6 of knowledge
    checkpoints = [entry(20, 0.45, 0.60), entry(10, 0.45 + 1e-16, 0.60 - 1e-16)]
    assert best_balance(checkpoints, ORIGINAL, "development")["step"] == 10


def test_step_0_is_no_candidate():
    assert best_balance([entry(0, 0.25, 0.65), entry(10, 0.80, 0.65)], ORIGINAL, "all")["step"] == 10


def test_a_collapsed_checkpoint_is_named_not_avoided():
    chosen = balance([entry(10, 0.25, 0.65, collapsed=True), entry(20, 0.84, 0.30)])
    assert (chosen["step"], chosen["collapsed"]) == (10, True) and "utility: broken" in chosen["note"]


@pytest.mark.parametrize(
    ("forget", "utility", "word"), [(0.27, 0.65, "forget"), (0.85, 0.279, "lose"), (0.20, 0.65, "forget")]
)
def test_nothing_is_chosen_within_three_standard_errors_of_chance(forget, utility, word):
    chosen = balance([entry(10, 0.25, 0.65), entry(20, 0.85, 0.25)], entry(0, forget, utility))
    assert (chosen["step"], chosen["status"], chosen["keep"], chosen["left"]) == (20, "nothing measurable", None, None)
    assert f"nothing measurable to {word}" in chosen["note"]
    assert choose_checkpoint.curve_record(RUN, entry(0, forget, utility)) is None


def test_measurable_from_three_standard_errors_on():
    assert unmeasurable(entry(0, 0.2801, 0.2801), "development") is None
    silent = entry(0, 0.85, 0.65)
    silent["forget"]["development"] = score(0.0, chance=0.0, stderr=0.0)  # no error either: still nothing to forget
    assert "to forget" in unmeasurable(silent, "development")


@pytest.mark.parametrize(("threshold", "utility", "status"), [
    (0.55, 0.61, "reached"), (0.36, 0.54, "reached"), (0.27, 0.47, "reached"), (0.20, 0.45, "not reached"),
])  # fmt: skip
def test_utility_at_a_forget_accuracy_is_read_off_straight_between_checkpoints(threshold, utility, status):
    at = choose_checkpoint.at_forget_accuracy(RUN, ORIGINAL, threshold)
    assert (at["ut"]["value"], at["status"]) == (pytest.approx(utility), status)
    assert at["fa"]["value"] == pytest.approx(threshold if status == "reached" else 0.25)


def test_where_fa_falls_too_far_the_lower_checkpoint_is_shown():
    at = choose_checkpoint.at_forget_accuracy([entry(10, 0.60, 0.6), entry(20, 0.19, 0.3)], ORIGINAL, 0.27)
    assert (at["step"], at["status"], at["ut"]["value"]) == (20, "overshot", 0.3) and "0.600 to 0.190" in at["note"]


def run(monkeypatch, module, *arguments):
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
    module.main()


def test_script_writes_the_choices_and_the_curve_and_refuses_unfit_files(tmp_path, monkeypatch):
    metrics, original, output = tmp_path / "metrics.json", tmp_path / "original.json", tmp_path / "chosen.json"
    metrics.write_text(json.dumps({"benchmark": "b", "checkpoints": RUN}))
    original.write_text(json.dumps({"benchmark": "b", "checkpoints": [ORIGINAL]}))
    settings = json.dumps({"threshold": 0.27})
    arguments = ["--metrics", metrics, "--original", original, "--settings", settings, "--output", output]
    run(monkeypatch, choose_checkpoint, *arguments)
    chosen = json.loads(output.read_text())
    assert {name: chosen[name]["step"] for name in chosen if name != "curve"} == {
        "balance": 40,
        "at_forget_accuracy": 50,
        "as_published": 40,
    }
    curve = chosen["curve"]
    assert curve["steps"] == [0, 10, 20, 30, 40, 50] and curve["left"][1] == pytest.approx(0.75)
    assert 0.5 < curve["kept_utility"] < 1 and curve["counted"] == pytest.approx(0.8) and curve["lowest"] == 0
    broken = [json.loads(json.dumps(one)) for one in RUN]
    del broken[1]["forget"]["test"]
    metrics.write_text(json.dumps({"benchmark": "b", "checkpoints": broken}))
    with pytest.raises(SystemExit, match=r"metrics.json: step 20: forget was not scored on 'test'"):
        run(monkeypatch, choose_checkpoint, *arguments)
    metrics.write_text(json.dumps({"benchmark": "b", "checkpoints": []}))
    with pytest.raises(SystemExit, match="checkpoints: there is none"):
        run(monkeypatch, choose_checkpoint, *arguments)


def test_what_was_not_scored_goes_and_of_a_cell_that_trains_much_all_but_the_chosen(tmp_path, monkeypatch):
    """Files alone are removed: every scored checkpoint's scores stay."""
    (tmp_path / "original.json").write_text(json.dumps({"benchmark": "b", "checkpoints": [ORIGINAL]}))
    for name, percent in (("all", 100.0), ("one", 0.06)):
        folder = tmp_path / name / "checkpoints"
        folder.mkdir(parents=True)
        metrics = json.dumps({"benchmark": "b", "checkpoints": RUN})
        (tmp_path / name / "metrics.json").write_text(metrics)
        (tmp_path / name / "parameters.json").write_text(json.dumps({"percent": percent}))
        for step in range(5, 55, 5):
            (folder / f"step-{step:04d}.safetensors").write_text("")
        files = ("--metrics", tmp_path / name / "metrics.json", "--original", tmp_path / "original.json")
        settings = json.dumps({"threshold": 0.27, "prune_over": 10})
        rest = ("--settings", settings, "--output", tmp_path / name / "chosen.json")
        run(monkeypatch, choose_checkpoint, *files, *rest)
        kept = {int(path.stem[5:]) for path in folder.iterdir()}
        assert kept == ({40} if name == "all" else {10, 20, 30, 40, 50})
        assert (tmp_path / name / "metrics.json").read_text() == metrics


def test_a_test_without_options_has_no_curve_by_probability():
    """Recall of greedy answers: `probability` is None."""

    def with_probability(checkpoint: dict, forget: float | None) -> dict:
        scores = {
            "forget": {name: value | {"probability": forget} for name, value in checkpoint["forget"].items()},
            "utility": {name: value | {"probability": 0.5} for name, value in checkpoint["utility"].items()},
        }
        return checkpoint | scores

    for forget, has in ((None, False), (0.4, True)):
        run_of = [with_probability(checkpoint, forget) for checkpoint in RUN]
        record = choose_checkpoint.curve_record(run_of, with_probability(ORIGINAL, forget))
        assert ("by_probability" in record) == has and record["kept_utility"] is not None


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
