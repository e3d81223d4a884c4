"""Bootstrap intervals against closed forms, verdicts against known effects, and the ledger as a stage."""

import json
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import synthetic_answers
import synthetic_results
import yaml
from scipy import stats
from stub_project import ROOT, snakemake
from table_helpers import layered_config

from claims.cases import Claim
from claims.collection import CLAIMS, SUBJECTS
from claims.judging import judged
from claims.study import ClaimStudy, Undecidable
from claims.trace import first_places
from evidence import bootstrap
from evidence.bootstrap import Case, draws, interval, joint_interval, widening
from evidence.matched import matched_steps
from planning import claims, pictures
from planning.code import constants, modules

VERDICTS = {"holds", "does not hold", "undecided"}


def test_interval_of_questions_is_that_of_a_mean():
    values = numpy.random.default_rng(1).normal(0.1, 1.0, (1, 400))
    low, high = interval(draws([Case("", "m", "q", values)])[:, 0])
    error = values.std(ddof=1) / 20
    # percentiles of 2,000 draws have an error of about 4 % of the interval's half
    assert (low, high) == pytest.approx((values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.15 * error)


def test_pairing_by_question_takes_out_what_both_share():
    generator = numpy.random.default_rng(2)
    hard = generator.normal(0, 1, (3, 200))
    first, second = hard + 0.1, hard + generator.normal(0, 0.05, (3, 200))
    low, high = interval(draws([Case("", "m", "q", first - second)])[:, 0])
    assert 0.08 < low < high < 0.13
    drawn = draws([Case("", "m", "q", first), Case("", "m", "q", second)])
    assert interval(drawn[:, 0] - drawn[:, 1]) == pytest.approx((low, high))  # cases of one test share the draw
    assert interval(drawn[:, 0])[1] - interval(drawn[:, 0])[0] > 5 * (high - low)


def test_seeds_are_drawn_too():
    values = numpy.array([[0.0], [0.3], [0.6]]) + numpy.zeros((3, 50))
    low, high = interval(draws([Case("", "m", "q", values)])[:, 0])
    reach = 0.3 * widening(3)  # 1 of 27 draws is one seed alone
    assert (low, high) == (pytest.approx(0.3 - reach), pytest.approx(0.3 + reach))
    students = 4.303 * 0.3 / 3**0.5  # two degrees of freedom, a deviation of 0.3
    assert reach == pytest.approx(students, rel=0.1)
    assert interval(draws([Case("", "m", "q", values[:1])])[:, 0]) == (0.0, 0.0)


@pytest.mark.parametrize("seeds", [2, 3, 5, 11, 30])
def test_widening_is_students(seeds):
    quantiles = stats.t.ppf(0.975, seeds - 1) / stats.norm.ppf(0.975)
    assert widening(seeds) == pytest.approx(quantiles * (seeds / (seeds - 1)) ** 0.5, rel=2e-3)
    assert widening(1) == 1.0


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_over_few_seeds_hold_what_they_promise(seeds, monkeypatch):
    """Differences whose truth is 0, seeds differing more than questions do: 95 of 100 intervals have to hold it. Of 300
    the standard error is 1.3 points; three of these below 95 % are 91 %. Without the widening there are fewer."""
    cases, held = [], {}
    generator = numpy.random.default_rng(5)
    for _ in range(300):
        values = generator.normal(0, 0.1, (seeds, 1)) + generator.normal(0, 0.2, (seeds, 60))
        cases.append(Case("", "m", "q", values))
    for name, factor in (("widened", widening), ("plain", lambda seeds: 1.0)):
        monkeypatch.setattr(bootstrap, "widening", factor)
        limits = [interval(column) for column in draws(cases).T]
        held[name] = sum(low < 0 < high for low, high in limits) / len(cases)
    assert held["plain"] < 0.91 <= held["widened"] <= 0.99


def test_the_largest_of_many_equal_cases_is_no_effect():
    """16 differences whose truth is 0: the own interval of the largest often excludes 0, the joint one seldom."""
    generator, own, joint = numpy.random.default_rng(6), 0, 0
    for _ in range(100):
        cases = [Case("", "m", "q", generator.normal(0, 0.5, (1, 100))) for _ in range(16)]
        drawn, means = draws(cases), numpy.array([case.mean for case in cases])
        best = int(means.argmax())
        own += interval(drawn[:, best])[0] > 0
        joint += joint_interval(drawn, means, best)[0] > 0
    assert own > 20 and joint <= 7  # 2.5 in 100 are allowed; 7 are 3 standard errors above


def study_of(seeds: list[int], tmp_path) -> ClaimStudy:
    return ClaimStudy(tmp_path, {"models": {}, "seeds": seeds, "tests": {}, "cells": [], "checked_attributions": []})


@pytest.mark.parametrize(
    ("effects", "over", "verdict"),
    [
        ((0.3, 0.2), "mean", "holds"), ((0.3, -0.6), "mean", "does not hold"), ((0.02, 0.02), "mean", "undecided"),
        ((0.3, 0.2), "every", "holds"), ((0.3, -0.2), "every", "does not hold"), ((0.3, 0.0), "every", "undecided"),
        ((0.3, -0.2), "some", "holds"), ((-0.1, -0.2), "some", "does not hold"), ((0.0, -0.2), "some", "undecided"),
    ],
)  # fmt: skip
def test_verdicts(effects, over, verdict, tmp_path):
    noise = numpy.random.default_rng(3).normal(0, 0.5, (3, 300))
    noise -= noise.mean()  # standard error of an effect: about 0.03
    cases = [Case(str(effect), "m", "q", effect + noise) for effect in effects]
    claim = Claim("x", "", "", "", over, lambda study: cases, 0.02)
    row = judged(claim, study_of([0, 1, 2], tmp_path))
    assert row["verdict"] == verdict
    chosen = {"mean": sum(effects) / 2, "every": min(effects), "some": max(effects)}[over]
    assert row["effect"] == pytest.approx(chosen) and row["low"] < row["effect"] < row["high"]
    assert judged(claim, study_of([0], tmp_path))["verdict"] == "undecided (one seed)"


def test_what_was_not_run_or_cannot_be_compared_says_so(tmp_path):
    def missing(study: ClaimStudy):
        study.cell("deepseek-v2-lite", "rwku", "ga", "uoe")

    def unmatched(study: ClaimStudy):
        raise Undecidable("no pair of checkpoints has the same FA")

    rows = [judged(Claim("x", "", "", "", "mean", cases), study_of([0, 1], tmp_path)) for cases in (missing, unmatched)]
    assert [row["verdict"] for row in rows] == ["not run", "undecided"]
    assert "no model stands for deepseek-v2-lite" in rows[0]["note"]


def test_equal_forgetting_is_matched_where_most_is_forgotten(tmp_path):
    def checkpoints(scope: str, *values: float, collapsed: int = 0) -> tuple:
        entries = []
        for step, value in zip(range(10, 100, 10), values, strict=False):
            scores = {"forget": {"development": {"value": value}}, "utility": {"test": {}}}
            entries.append({"step": step, "collapsed": step == collapsed} | scores)
        path = tmp_path / "cells" / "m" / "b" / "ga" / scope / "seed-0" / "metrics.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"checkpoints": entries}))
        return "m", "b", "ga", scope

    first = checkpoints("uoe", 0.9, 0.6, 0.42, 0.30)
    second = checkpoints("baseline", 0.8, 0.45, 0.41, 0.1, 0.28, collapsed=50)
    study = study_of([0], tmp_path).results
    # .42 and .41; .30 and .28 would pair with a collapsed one
    assert matched_steps(study, first, second, 0) == (30, 30)
    assert matched_steps(study, first, checkpoints("lora", 0.1, 0.05), 0) is None


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Results of every cell of config.yaml and extras.yaml for three seeds."""
    config = layered_config() | {"seeds": [0, 1, 2]}
    root = synthetic_results.build(tmp_path_factory.mktemp("claims"), config)
    synthetic_answers.build(root, claims.files(config), config)
    return root, config


def test_every_file_of_claims_is_collected():
    declared = [name for name in modules("claims") if "CELLS" in constants(f"claims/{name}.py")]
    assert sorted(subject.__name__ for subject in SUBJECTS) == [f"claims.{name}" for name in declared]


def test_every_claim_is_judged(tree):
    root, config = tree
    assert len(CLAIMS) >= 20 and len({claim.id for claim in CLAIMS}) == len(CLAIMS)
    assert {claim.source.split()[0] for claim in CLAIMS} == {"v1", "v2", "TRACE"}
    rows = [judged(claim, ClaimStudy(root, claims.settings(config))) for claim in CLAIMS]
    assert {row["verdict"] for row in rows} <= VERDICTS and all(row["effect"] is not None for row in rows)
    alone = claims.settings(config | {"seeds": [0]})
    assert {judged(claim, ClaimStudy(root, alone))["verdict"] for claim in CLAIMS} == {"undecided (one seed)"}
    fewer = claims.settings(config | {"tables": {"table2": config["tables"]["table2"]}, "figures": {}})
    verdicts = {claim.id: judged(claim, ClaimStudy(root, fewer))["verdict"] for claim in CLAIMS}
    assert verdicts["better-than-lora"] == verdicts["trace-9"] == "not run"
    assert verdicts["utility-always"] in VERDICTS


@pytest.mark.parametrize(("right", "verdict"), [(1.0, "holds"), (0.2, "does not hold")])
def test_answers_decide(tree, right, verdict, tmp_path):
    """UOE answers all, or few, utility questions rightly, its baselines 70 %."""
    root, config = tree
    block = config["tables"]["table2"]
    settings = claims.settings(config)
    other = linked(root, tmp_path / "micro", config)
    for model, benchmark, method, scope in pictures.cells(block, config["models"]):
        for seed in config["seeds"] if scope == "uoe" else ():
            path = other / "cells" / model / benchmark / method / scope / f"seed-{seed}" / "predictions.jsonl.gz"
            path.unlink()
            synthetic_answers.write(path, right, benchmark == "rwku")
    rows = {claim.id: judged(claim, ClaimStudy(other, settings)) for claim in CLAIMS if claim.id.startswith("utility-")}
    assert rows["utility-on-average"]["verdict"] == rows["utility-at-equal-forgetting"]["verdict"] == verdict
    assert rows["utility-on-average"]["effect"] == pytest.approx(right - 0.7, abs=0.03)


def linked(root: Path, folder: Path, config: dict) -> Path:
    """The tree once more, as links, so that single files can be replaced."""
    for path in claims.files(config):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).symlink_to(root / path)
    return folder


def replace(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.unlink()
    path.write_text(json.dumps(content))


def test_a_collapsed_run_has_forgotten_nothing(tree, tmp_path):
    """Its answers to the forget test are the untouched model's, which are 97 % right (its own: 70 %)."""
    root, config = tree
    other = linked(root, tmp_path / "micro", config)
    cell = "micro-qwen", "wmdp-cyber", "ga", "uoe"
    path = other.joinpath("cells", *cell, "seed-1", "chosen.json")
    replace(path, lambda content: content["balance"].update(collapsed=True))
    settings = claims.settings(config)
    before, after = (ClaimStudy(place, settings) for place in (root, other))
    assert (after.score(cell, "forget")[[0, 2]] == before.score(cell, "forget")[[0, 2]]).all()
    assert (after.score(cell, "forget")[1] == before.original(cell, "forget")[1]).all()
    assert (after.score(cell, "utility") == before.score(cell, "utility")).all()
    for seed in (0, 2):
        path = other.joinpath("cells", *cell, f"seed-{seed}", "chosen.json")
        replace(path, lambda content: content["balance"].update(collapsed=True))
    rows = {claim.id: judged(claim, after) for claim in CLAIMS if claim.id in ("forget-unaffected", "selection-shifts")}
    row = rows["forget-unaffected"]
    assert row["of"] == "least: GA+UOE, Qwen (WMDP)" and row["collapsed"] == 1
    assert "GA+UOE, Qwen (WMDP)" in row["note"]
    assert rows["selection-shifts"]["collapsed"] == 0  # read off at the last checkpoint, which has not collapsed


def test_at_fa_25_only_what_reached_it_is_compared(tree, tmp_path):
    root, config = tree
    settings, (claim,) = claims.settings(config), [c for c in CLAIMS if c.id == "more-experts-cost"]
    assert judged(claim, ClaimStudy(root, settings))["verdict"] in VERDICTS
    for name, change in (("overshot", {"status": "overshot"}), ("collapsed", {"collapsed": True})):
        other = linked(root, tmp_path / name, config)
        path = other / "cells/micro-deepseek/wmdp-cyber/ga/uoe-6-experts/seed-2/chosen.json"
        replace(path, lambda content, change=change: content["at_forget_accuracy"].update(change))
        row = judged(claim, ClaimStudy(other, settings))
        assert (row["verdict"], row["effect"]) == ("undecided", None) and row["note"].endswith(f"FA ≈ 0.25: {name}")


def test_first_places_on_muse_books(tree, tmp_path):
    """Four measures; a collapsed rival stands in nobody's way, a collapsed reconstruction is first nowhere."""
    root, config = tree
    other = linked(root, tmp_path / "micro", config)
    settings = claims.settings(config)
    cells = [cell for cell in settings["cells"] if cell[1] == "muse-books"]
    assert len(cells) == 9

    def put(method: str, scope: str, seed: int, values: tuple, collapsed: bool = False) -> None:
        def change(content: dict) -> None:
            entry, (verbatim, forget, utility, auc) = content["balance"], values
            entry |= {"collapsed": collapsed}
            entry |= {"fa": {"value": forget}, "ut": {"value": utility}}
            entry["extra"]["verbmem"]["value"], entry["extra"]["privleak"]["value"] = verbatim, auc

        replace(other / f"cells/micro-qwen-books/muse-books/{method}/{scope}/seed-{seed}/chosen.json", change)

    for seed in range(3):
        for _, _, method, scope in cells:
            put(method, scope, seed, (0.5, 0.5, 0.5, 0.3))
    put("gdiff-trace", "baseline", 0, (0.4, 0.4, 0.6, 0.2))  # first but in PrivLeak (retrained: 0.5)
    put("gdiff-trace", "baseline", 1, (0.4, 0.4, 0.6, 0.4))
    put("ga", "uoe", 1, (0.1, 0.1, 0.1, 0.5), collapsed=True)
    put("gdiff-trace", "baseline", 2, (0.0, 0.0, 0.9, 0.5), collapsed=True)
    (case,) = first_places(ClaimStudy(other, settings))
    assert case.values[:, 0].tolist() == [3, 4, 0] and case.collapsed
    put("npo", "uoe", 1, (0.1, 0.1, 0.9, 0.5))
    (case,) = first_places(ClaimStudy(other, settings))
    assert case.values[:, 0].tolist() == [3, 0, 0]


def test_one_utility_test_of_two_benchmarks_is_drawn_once(tree):
    root, config = tree
    answers = ClaimStudy(root, claims.settings(config)).answers
    assert answers.questions("wmdp-cyber", "utility") == answers.questions("rwku", "utility") == "mmlu/all/test.jsonl"
    assert answers.questions("wmdp-cyber", "forget") != answers.questions("rwku", "forget")
    assert answers.questions("muse-books", "utility") != answers.questions("rwku", "utility")


def test_the_stage_writes_ledger_and_verdicts(tree, tmp_path):
    root, config = tree
    other = tmp_path / "claims.json"
    other.write_text(json.dumps({"world": "paper", "seeds": [0], "claims": {"utility-35": {"verdict": "holds"}}}))
    settings = json.dumps(claims.settings(config | {"seeds": [0]}))
    command = [sys.executable, ROOT / "workflow_scripts/check_claims.py", "--results", root, "--settings", settings]
    command += ["--others", other, "--verdicts", tmp_path / "own.json", "--output-prefix", tmp_path / "claims"]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    verdicts = json.loads((tmp_path / "own.json").read_text())
    assert verdicts["world"] == "micro" and len(verdicts["claims"]) == len(CLAIMS)
    line = next(line for line in (tmp_path / "claims.md").read_text().splitlines() if "up to 35 points" in line)
    assert [cell.strip() for cell in line.split("|")[-3:-1]] == ["undecided (one seed)", "holds"]
    for end in ("html", "tex", "csv"):
        assert "35 points" in (tmp_path / f"claims.{end}").read_text()


def test_claims_plan_only_themselves_when_the_tables_are_there(built):
    """The stub study's cells are all evaluated and chosen for its tables; ledger and audit are two jobs more."""
    result = snakemake(built, "-n", target="all_claims")
    assert result.returncode == 0, result.stderr
    text = result.stdout + result.stderr
    jobs = {line.split()[1].rstrip(":") for line in text.splitlines() if line.startswith(("rule ", "localrule "))}
    assert jobs - {"all_tables", "all_figures", "all_claims"} == {"audit", "check_claims"}
    assert yaml.safe_load((built / "config/config.yaml").read_text())["study"] == "micro"
