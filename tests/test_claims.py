"""Verdicts against known effects, and the ledger as a stage."""

import json
import subprocess
import sys
from dataclasses import replace as replaced
from pathlib import Path

import numpy
import pytest
import synthetic_answers
import synthetic_results
import yaml
from stub_project import ROOT, snakemake
from table_helpers import layered_config

from claims.cases import ARITHMETIC, RESULT, Claim
from claims.collection import CLAIMS, SUBJECTS
from claims.judging import judged
from claims.ledger import counts, verdict_text
from claims.study import Case, ClaimStudy
from claims.trace import first_places
from evidence.intervals import PerSeed
from planning import claims
from planning.code import constants, modules

VERDICTS = {"holds", "does not hold", "no difference", "undecided"}


def study_of(seeds: list[int], tmp_path) -> ClaimStudy:
    return ClaimStudy(
        tmp_path, {"models": {}, "seeds": seeds, "tests": {}, "cells": [], "attacks": [], "checked_attributions": []}
    )


@pytest.mark.parametrize(
    ("effects", "over", "verdict"),
    [
        ((0.3, 0.2), "mean", "holds"), ((0.3, -0.6), "mean", "does not hold"), ((0.02, 0.02), "mean", "undecided"),
        ((0.3, 0.2), "every", "holds"), ((0.3, -0.2), "every", "does not hold"), ((0.3, 0.01), "every", "undecided"),
        ((0.3, -0.2), "some", "holds"), ((-0.1, -0.2), "some", "does not hold"), ((0.03, -0.2), "some", "undecided"),
    ],
)  # fmt: skip
def test_verdicts(effects, over, verdict, tmp_path):
    noise = 0.02 * numpy.array([-1, 0, 1, -1, 1, 0, 1, -1])  # standard error of an effect: 0.006
    cases = [Case(str(effect), PerSeed(effect + noise)) for effect in effects]
    claim = Claim("x", "", "", "", over, lambda study: cases, 0.02)
    row = judged(claim, study_of(list(range(8)), tmp_path))
    assert row["verdict"] == verdict
    chosen = {"mean": sum(effects) / 2, "every": min(effects), "some": max(effects)}[over]
    assert row["effect"] == pytest.approx(chosen) and row["low"] < row["effect"] < row["high"]
    assert row["of"] == (f"{'least' if over == 'every' else 'largest'}: {chosen}" if over != "mean" else "mean of 2")
    assert 0.01 < row["smallest"] < 0.04 and row["seeds"] == 8
    alone = [Case(case.name, PerSeed(case.values.values[:1], {"a": 0.01, "b": -0.01})) for case in cases]
    row = judged(replaced(claim, cases=lambda study: alone), study_of([0], tmp_path))
    assert row["verdict"] == "undecided (one seed)" and row["low"] < row["effect"] < row["high"]
    alone = [Case(case.name, PerSeed(case.values.values[:1])) for case in cases]
    row = judged(replaced(claim, cases=lambda study: alone), study_of([0], tmp_path))
    assert (row["low"], row["smallest"]) == (None, None)  # nothing tells its error


def test_no_difference_names_its_bound(tmp_path):
    values = PerSeed(numpy.array([0.01, -0.01, 0.005, 0.0, -0.005]))
    claim = Claim("x", "", "", "", "mean", lambda study: [Case("c", values)], equivalence=0.03)
    row = judged(claim, study_of([0, 1, 2, 3, 4], tmp_path))
    assert row["verdict"] == "no difference" and verdict_text(row) == "no difference beyond ±3.0 points"
    equal = replaced(claim, cases=lambda study: [Case("c", PerSeed(numpy.zeros(5)))])
    row = judged(equal, study_of([0, 1, 2, 3, 4], tmp_path))
    assert (row["verdict"], row["note"]) == ("no difference", "no spread: all seeds equal")


def test_what_was_not_run_or_cannot_be_compared_says_so(tmp_path):
    def missing(study: ClaimStudy):
        study.cell("deepseek-v2-lite", "rwku", "ga", "uoe")

    values, study = PerSeed(numpy.array([0.2, 0.21])), study_of([0, 1], tmp_path)
    apart, found = Case("a", None, why="no common span"), Case("b", values, span=0.7)
    several = (missing, lambda s: [apart, apart, found], lambda s: [apart, found])
    rows = [judged(Claim("x", "", "", "", "mean", cases), study) for cases in several]
    assert [row["verdict"] for row in rows] == ["not run", "undecided", "holds"]
    assert "no model stands for deepseek-v2-lite" in rows[0]["note"]
    assert rows[1]["note"] == "compared 1 of 3; not a: no common span; a: no common span" and rows[1]["effect"] is None
    # half of the cases are enough; which are missing is said
    assert rows[2]["note"] == "compared 1 of 2; not a: no common span" and rows[2]["span"] == 0.7
    assert (rows[2]["cases"], rows[2]["intended"], rows[2]["of"]) == (1, 2, "mean of 1")


def test_what_follows_from_sizes_is_marked_and_counted_apart(tmp_path):
    case = Case("c", PerSeed(numpy.array([1.0, 1.0])))
    claim = Claim("x", "", "", "", "every", lambda study: [case], kind=ARITHMETIC)
    row = judged(claim, study_of([0, 1], tmp_path))
    assert verdict_text(row) == "holds (arithmetic)"
    rows = [row, row | {"kind": RESULT}, row | {"kind": RESULT, "verdict": "undecided"}]
    assert counts(rows, "micro") == (
        "3 claims, micro. 1 by arithmetic: 1 holds; 2 decided by results: 1 holds, 1 undecided."
    )


def test_what_claims_declare():
    assert {claim.source.split()[0] for claim in CLAIMS} == {"v1", "v2", "TRACE", "ours"}
    assert [claim.id for claim in CLAIMS if claim.kind == ARITHMETIC] == ["share-006", "fewer-parameters"]
    # A difference that may be nothing has a bound; trace-9's zero is 9 % more than the best rival, no difference.
    without = {claim.id for claim in CLAIMS if not claim.margin and claim.equivalence is None}
    assert {claim.unit for claim in CLAIMS if claim.id in without - {"trace-9"}} == {"nats", "%"}
    assert {claim.equivalence for claim in CLAIMS} == {None, 0.03, 0.05}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Results of every cell of config.yaml and extras.yaml for three seeds."""
    config = layered_config() | {"seeds": [0, 1, 2]}
    root = synthetic_results.build(tmp_path_factory.mktemp("claims"), config)
    synthetic_answers.build(root, files(config), config)
    return root, config


def files(config: dict) -> list[str]:
    """What claims read; with one seed answers, too."""
    return list(dict.fromkeys([*claims.files(config), *claims.files(config | {"seeds": [0]})]))


def test_every_file_of_claims_is_collected():
    declared = [name for name in modules("claims") if "CELLS" in constants(f"claims/{name}.py")]
    assert sorted(subject.__name__ for subject in SUBJECTS) == [f"claims.{name}" for name in declared]


def test_every_claim_is_judged(tree):
    root, config = tree
    assert len(CLAIMS) >= 50 and len({claim.id for claim in CLAIMS}) == len(CLAIMS)
    rows = [judged(claim, ClaimStudy(root, claims.settings(config))) for claim in CLAIMS]
    assert {row["verdict"] for row in rows} <= VERDICTS and all(row["effect"] is not None for row in rows)
    alone = claims.settings(config | {"seeds": [0]})
    assert {judged(claim, ClaimStudy(root, alone))["verdict"] for claim in CLAIMS} == {"undecided (one seed)"}
    fewer = claims.settings(config | {"tables": {"table2": config["tables"]["table2"]}, "figures": {}})
    verdicts = {claim.id: judged(claim, ClaimStudy(root, fewer))["verdict"] for claim in CLAIMS}
    assert verdicts["better-than-lora"] == verdicts["trace-9"] == "not run"
    assert verdicts["utility-always"] in VERDICTS


def linked(root: Path, folder: Path, config: dict) -> Path:
    """The tree once more, as links, so that single files can be replaced."""
    for path in files(config):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).symlink_to(root / path)
    return folder


def replace(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.unlink()
    path.write_text(json.dumps(content))


def test_a_collapsed_run_has_forgotten_nothing(tree, tmp_path):
    """The untouched model's FA stands for its own."""
    root, config = tree
    other = linked(root, tmp_path / "micro", config)
    cell = "micro-qwen", "wmdp-cyber", "ga", "uoe"
    path = other.joinpath("cells", *cell, "seed-1", "chosen.json")
    replace(path, lambda content: content["balance"].update(collapsed=True))
    settings = claims.settings(config)
    before, after = (ClaimStudy(place, settings) for place in (root, other))
    own, stands = (study.answers.shown(cell, "fa").values for study in (before, after))
    assert (stands[[0, 2]] == own[[0, 2]]).all() and stands[1] != own[1]
    assert stands[1] == before.answers.original(cell, "fa").values[1]
    assert (after.answers.shown(cell, "ut").values == before.answers.shown(cell, "ut").values).all()
    for seed in (0, 2):
        path = other.joinpath("cells", *cell, f"seed-{seed}", "chosen.json")
        replace(path, lambda content: content["balance"].update(collapsed=True))
    rows = {claim.id: judged(claim, after) for claim in CLAIMS if claim.id in ("forget-unaffected", "selection-shifts")}
    row = rows["forget-unaffected"]
    assert row["of"] == "least: GA+UOE, Qwen (WMDP)" and row["collapsed"] == 1
    assert "GA+UOE, Qwen (WMDP)" in row["note"]
    assert rows["selection-shifts"]["collapsed"] == 0  # read off at the last checkpoint, which has not collapsed


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
    assert case.values.values.tolist() == [3, 4, 0] and case.collapsed
    put("npo", "uoe", 1, (0.1, 0.1, 0.9, 0.5))
    (case,) = first_places(ClaimStudy(other, settings))
    assert case.values.values.tolist() == [3, 0, 0]


def test_facts_of_one_utility_test_of_two_benchmarks_are_one(tree):
    root, config = tree
    answers = ClaimStudy(root, claims.settings(config | {"seeds": [0]})).answers
    wmdp, rwku = (answers.shown(("micro-qwen", name, "ga", "uoe"), "ut") for name in ("wmdp-cyber", "rwku"))
    assert wmdp.facts.keys() == rwku.facts.keys()
    books = answers.shown(("micro-qwen-books", "muse-books", "ga", "uoe"), "ut")
    assert not wmdp.facts.keys() & books.facts.keys()
    forget = answers.shown(("micro-qwen", "wmdp-cyber", "ga", "uoe"), "fa")
    assert forget.facts and not forget.facts.keys() & wmdp.facts.keys()
    assert answers.shown(("micro-qwen", "wmdp-cyber", "ga", "uoe"), "ut").error > 0


def test_halves_are_answered_at_their_own_steps(tree, tmp_path):
    """The half `development` is reported at the step that was chosen on `test`, and the reverse."""
    root, config = tree
    other = linked(root, tmp_path / "micro", config)
    cell, settings = ("micro-qwen", "wmdp-cyber", "ga", "uoe"), claims.settings(config | {"seeds": [0]})

    def facts(steps: dict) -> dict:
        path = other.joinpath("cells", *cell, "seed-0", "chosen.json")
        replace(path, lambda content: content["balance"].update(steps=steps))
        return ClaimStudy(other, settings).answers.shown(cell, "ut").facts

    early, late = (facts(dict.fromkeys(("test", "development"), step)) for step in (10, 50))
    crossed = facts({"test": 10, "development": 50})
    tested = {fact for fact in crossed if int(fact.rpartition(" ")[2]) % 2 == 0}
    assert tested and all(crossed[fact] == (early if fact in tested else late)[fact] for fact in crossed)
    assert crossed not in (early, late)


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
