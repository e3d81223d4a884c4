"""Claims on whole runs and on attacks, against effects that are worked out by hand."""

import json
from dataclasses import asdict
from statistics import fmean

import pytest
import synthetic_answers
import synthetic_results
from scipy import stats
from table_helpers import layered_config

from benchmarks.curve import Curve, kept_utility
from claims.collection import CLAIMS
from claims.judging import judged
from claims.study import ClaimStudy
from planning import claims, layout

SEEDS = (0, 1, 2)
LEFT = (1.0, 0.85, 0.65, 0.45, 0.25, 0.05)
STEPS = (0, 10, 20, 30, 40, 50)
METHODS, MODELS, BENCHMARKS = ("ga", "gdiff", "npo", "rmu"), ("micro-qwen", "micro-deepseek"), ("wmdp-cyber", "rwku")


@pytest.fixture
def tree(tmp_path):
    """Results of Table 2, of Figures 3a and 5, and of what attacks bring back; UOE keeps more than each method alone
    by KEPT, all runs reach Left .05."""
    config = layered_config() | {"seeds": list(SEEDS)}
    config["tables"] = {name: config["tables"][name] for name in ("table2", "hidden", "relearning")}
    config["figures"] = {name: config["figures"][name] for name in ("figure3a", "figure5")}
    root = synthetic_results.build(tmp_path, config)
    synthetic_answers.build(root, claims.files(config), config)
    for model, benchmark, method, scope in claims.cells(config):
        for seed in SEEDS:
            run(root, (model, benchmark, method, scope), seed, 0.2 if scope == "uoe" else 0.6 + 0.02 * seed)
    return root, config


KEPT = [0.5 * (0.6 + 0.02 * seed - 0.2) for seed in SEEDS]  # the mean of 1 - Left from .9 to .1 is one half


def run(root, cell: tuple, seed: int, slope: float, left: tuple = LEFT) -> None:
    """The cell's run: its utility falls `slope` times as far as its knowledge."""
    made = Curve(STEPS[: len(left)], left, tuple(1 - slope * (1 - value) for value in left))
    kept = kept_utility(made)
    ends = {"kept_utility": kept.value, "counted": kept.counted, "lowest": made.lowest()}

    def change(content: dict) -> None:
        content["curve"] = asdict(made) | ends | {"largest_fall": made.largest_fall()}

    edit(root, layout.path(f"{layout.CELL}/{layout.CHOSEN}", **place(cell), seed=seed), change)


def place(cell: tuple) -> dict:
    return dict(zip(("model", "benchmark", "method", "scope"), cell, strict=True))


def edit(root, path: str, change) -> None:
    content = json.loads((root / path).read_text())
    change(content)
    (root / path).write_text(json.dumps(content))


def judge(tree, name: str) -> dict:
    root, config = tree
    (claim,) = [claim for claim in CLAIMS if claim.id == name]
    return judged(claim, ClaimStudy(root, claims.settings(config)))


def test_kept_utility_decides_at_equal_forgetting(tree):
    row = judge(tree, "utility-at-equal-forgetting")
    expected = stats.ttest_1samp(KEPT, 0).confidence_interval(0.95)
    assert (row["verdict"], row["of"], row["note"]) == ("holds", "mean of 16", "")
    assert row["span"] == pytest.approx(0.8) and row["effect"] == pytest.approx(fmean(KEPT))
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))
    assert judge(tree, "utility-always-at-equal-forgetting")["verdict"] == "holds"
    run(tree[0], ("micro-qwen", "rwku", "rmu", "uoe"), 0, 0.95)
    run(tree[0], ("micro-qwen", "rwku", "rmu", "uoe"), 1, 0.97)
    run(tree[0], ("micro-qwen", "rwku", "rmu", "uoe"), 2, 0.99)
    row = judge(tree, "utility-always-at-equal-forgetting")
    assert (row["verdict"], row["of"]) == ("does not hold", "least: RMU+UOE, Qwen (RWKU)")
    assert judge(tree, "utility-at-equal-forgetting-cyber")["effect"] == pytest.approx(fmean(KEPT))
    assert judge(tree, "utility-at-equal-forgetting-persons")["effect"] < fmean(KEPT) - 0.03


def test_a_pair_that_has_too_little_in_common_in_one_seed_is_left_out_in_all(tree):
    root, _ = tree
    short = ("micro-qwen", "wmdp-cyber", "npo", "baseline")
    run(root, short, 1, 0.6, (1.0, 0.85, 0.75))  # from .9 down to .75: .15 of .8
    run(root, ("micro-deepseek", "wmdp-cyber", "npo", "uoe"), 2, 0.2, (1.0, 0.95, 0.92))
    row = judge(tree, "utility-at-equal-forgetting")
    assert row["note"] == (
        "compared 14 of 16; not NPO+UOE, Qwen (WMDP): common span 0.15; "
        "NPO+UOE, DeepSeek (WMDP): NPO+UOE, DeepSeek (WMDP) forgets nothing"
    )
    assert row["verdict"] == "holds" and row["effect"] == pytest.approx(fmean(KEPT))
    run(root, short, 1, 0.62, (1.0, 0.85, 0.7))  # .2 is enough
    row = judge(tree, "utility-at-equal-forgetting")
    assert row["cases"] == 15 and row["span"] == pytest.approx((14 * 0.8 + (0.8 + 0.2 + 0.8) / 3) / 15)
    # where both are straight, the difference grows with what was forgotten: that of a short span is read off its middle
    others, own = 14 * fmean(KEPT), fmean([KEPT[0], (0.62 - 0.2) * 0.2, KEPT[2]])
    assert row["effect"] == pytest.approx((others + own) / 15)


def test_with_fewer_than_half_of_its_pairs_a_claim_is_undecided(tree):
    for number, method in enumerate(METHODS):
        for model in MODELS[: 1 + (number == 0)]:  # 5 of 8
            run(tree[0], (model, "rwku", method, "baseline"), 0, 0.6, (1.0, 0.95))
    row = judge(tree, "utility-at-equal-forgetting-persons")
    assert (row["verdict"], row["effect"], row["cases"]) == ("undecided", None, 3)
    assert judge(tree, "utility-at-equal-forgetting")["cases"] == 11


def test_utility_lost_where_nearly_all_is_forgotten(tree):
    row = judge(tree, "moe-loses")
    # chance .25; the untouched model has .97 less a point a seed
    expected = fmean(0.9 * (0.6 + 0.02 * seed) * (0.72 - 0.01 * seed) for seed in SEEDS)
    assert row["effect"] == pytest.approx(expected) and row["of"] == "mean of 8"


def test_overlap_is_read_where_left_falls(tree):
    root, _ = tree
    found = []
    for seed in SEEDS:
        path = layout.path(
            f"{layout.CELL}/trajectory.json", **place(("micro-qwen", "wmdp-cyber", "ga", "baseline")), seed=seed
        )
        probes = json.loads((root / path).read_text())["probes"]
        at = {probe["step"]: fmean(probe["overlap"].values()) for probe in probes}
        found.append(1 - (0.25 * at[40] + 0.75 * at[50]))  # Left .1 lies three quarters of the way from .25 to .05
    row = judge(tree, "selection-shifts")
    assert row["effect"] == pytest.approx(fmean(found)) and row["verdict"] == "holds"
    run(root, ("micro-qwen", "wmdp-cyber", "ga", "baseline"), 0, 0.6, (1.0, 0.85, 0.65, 0.45, 0.11))
    row = judge(tree, "selection-shifts")
    assert row["note"] == "compared 1 of 2; not GA, Qwen (WMDP): Left does not fall to 0.1"


def attack(root, cell: tuple, name: str, seed: int, change) -> None:
    pattern = layout.ATTACK if len(cell) > 2 else layout.RETRAINED_ATTACK
    names = dict(zip(("model", "benchmark", "method", "scope"), cell, strict=False))
    edit(root, layout.path(pattern, **names, attack=name, seed=seed), change)


def set_scores(root, cell: tuple, name: str, seed: int, before: float, after: float) -> None:
    """FA of an attack, the untouched model's being .9."""

    def change(content: dict) -> None:
        content["before"]["fa"]["value"], content["after"]["fa"]["value"] = before, after
        content["before"]["fa_original"]["value"] = 0.9

    attack(root, cell, name, seed, change)


def test_what_one_expert_forgets_is_hidden(tree):
    root, _ = tree
    every = [(model, benchmark, method, "uoe") for method in METHODS for benchmark in BENCHMARKS for model in MODELS]
    for cell in every:
        for seed in SEEDS:
            set_scores(root, cell, "bypassed", seed, 0.3, 0.3 + 0.6 * (0.8 + 0.01 * seed))
    row = judge(tree, "hidden-not-gone")
    assert row["effect"] == pytest.approx(0.81) and (row["verdict"], row["of"]) == ("holds", "mean of 16")
    assert judge(tree, "hidden-in-every-cell")["verdict"] == "holds"
    # chance on WMDP is .25: at FA .6 more than half of .65 is left
    set_scores(root, every[0], "bypassed", 1, 0.6, 0.9)
    for seed in SEEDS:
        set_scores(root, every[1], "bypassed", seed, 0.3, 0.31)
    row = judge(tree, "hidden-in-every-cell")
    assert (
        row["note"]
        == "compared 15 of 16; not GA+UOE, Qwen (WMDP): had not forgotten half (Left 0.54); no spread: all seeds equal"
    )
    assert (row["verdict"], row["of"]) == ("does not hold", "least: GA+UOE, DeepSeek (WMDP)")


def test_relearning_is_compared_by_what_fa_regains(tree):
    root, config = tree
    assert len(claims.attacks(config)) == 16 + 16 + 4

    def relearn(cell: tuple, rise: float) -> None:
        for seed in SEEDS:
            points = [{"step": step, "fa": 0.26 + (rise + 0.001 * seed) * step} for step in (0, 1, 2, 5)]
            if len(cell) > 2:
                set_scores(root, cell, "relearn-forget", seed, 0.3, 0.5)
            attack(root, cell, "relearn-forget", seed, lambda content, points=points: content.update(curve=points))

    for model in MODELS:
        for benchmark in BENCHMARKS:
            relearn((model, benchmark), 0.01)
            for method in ("ga", "npo"):
                relearn((model, benchmark, method, "uoe"), 0.05)
                relearn((model, benchmark, method, "baseline"), 0.06)
    # mean of steps 1, 2 and 5: 8 / 3; all seeds rise by as much more
    row = judge(tree, "relearned-sooner")
    assert row["verdict"] == "holds" and row["effect"] == pytest.approx(0.04 * 8 / 3)
    row = judge(tree, "relearned-sooner-than-baseline")
    assert row["verdict"] == "does not hold" and row["effect"] == pytest.approx(-0.01 * 8 / 3)
    attack(root, ("micro-qwen", "rwku"), "relearn-forget", 1, lambda content: content.update(curve=[]))
    with pytest.raises(SystemExit, match=r"relearn-forget.json: curve: empty; attacks: relearn-forget must name"):
        judge(tree, "relearned-sooner")


def test_a_study_without_these_attacks_has_not_run_them(tree):
    root, config = tree
    del config["tables"]["hidden"], config["tables"]["relearning"]
    assert claims.attacks(config) == []
    for name in ("hidden-not-gone", "relearned-sooner"):
        assert judge(tree, name)["verdict"] == "not run"


def test_claims_read_answers_with_one_seed_only(tree):
    _, config = tree
    several, alone = claims.files(config), claims.files(config | {"seeds": [0]})
    assert not [path for path in several if path.endswith(".gz")]
    assert len([path for path in alone if path.endswith(".gz")]) == len(claims.cells(config)) + 4
    attacks = [path for path in alone if "/attacks/" in path]
    assert len(attacks) == 36 and len([path for path in attacks if path.startswith("retrained/")]) == 4
