"""Tables of uncertainty on scores that are known."""

import json

import numpy
import pytest
import synthetic_answers
import synthetic_results
from scipy import stats
from table_helpers import make
from test_table_outputs import render

from planning import pictures

QWEN = "cells/micro-qwen/wmdp-cyber"
GAINS = (0.10, 0.16, 0.13)  # of GA+UOE over GA in each seed, Qwen, WMDP


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Table 2's cells for three seeds, all alike: but GA+UOE on Qwen, WMDP keeps GAINS more than GA and forgets all;
    NPO never forgets as much as NPO+UOE."""
    config = synthetic_results.load_config() | {"seeds": [0, 1, 2]}
    root = synthetic_results.build(tmp_path_factory.mktemp("uncertainty"), config)
    paths = [path for name in ("uncertainty", "ranks") for path in pictures.files("tables", name, config)]
    synthetic_answers.build(root, paths, config)
    for seed, gain in zip(config["seeds"], GAINS, strict=True):
        for entry in changed(root / f"{QWEN}/ga/uoe/seed-{seed}/metrics.json"):
            entry["utility"]["all"] = entry["utility"]["all"] | {"value": entry["utility"]["all"]["value"] + gain}
        for entry in changed(root / f"{QWEN}/npo/baseline/seed-{seed}/metrics.json"):
            entry["forget"]["all"] = entry["forget"]["all"] | {"value": 0.999}
        path = root / f"{QWEN}/ga/uoe/seed-{seed}/chosen.json"
        content = json.loads(path.read_text())
        content["balance"]["fa"]["value"], content["balance"]["ut"]["value"] = 0.2, 0.99
        path.write_text(json.dumps(content))
    return root, config


def changed(path):
    """Checkpoints of a metrics.json, which is written anew after each is changed."""
    content = json.loads(path.read_text())
    for entry in content["checkpoints"]:
        yield entry
        path.write_text(json.dumps(content))


def test_differences_at_equal_forgetting(tree):
    root, config = tree
    frame = make(root, config, "uncertainty").frame
    rows = {(row.model, row.benchmark, row.method): row for row in frame.itertuples()}
    best = rows["micro-qwen", "wmdp-cyber", "ga"]
    expected = stats.ttest_1samp(GAINS, 0).confidence_interval(0.95)
    assert (best.ut_low, best.ut_high) == pytest.approx((expected.low, expected.high))
    assert best.ut_difference == pytest.approx(numpy.mean(GAINS)) and best.steps == "80/80 80/80 80/80"
    assert best.ut - best.ut_baseline == pytest.approx(numpy.mean(GAINS)) and best.fa_difference == 0
    other = rows["micro-qwen", "wmdp-cyber", "gdiff"]
    assert (other.ut_difference, other.ut_low, other.ut_high) == (0, 0, 0)  # all seeds equal
    unmatched = rows["micro-qwen", "wmdp-cyber", "npo"]
    assert unmatched.steps == "" and unmatched.fa != unmatched.fa
    mean = rows["mean of 15", "", ""]
    within = numpy.array(GAINS) / 15  # averaged within each seed, then over seeds
    assert mean.ut_difference == pytest.approx(within.mean())
    assert (mean.ut_low, mean.ut_high) == pytest.approx(stats.ttest_1samp(within, 0).confidence_interval(0.95))


def test_one_seed_has_intervals_over_questions(tree):
    root, config = tree
    frame = make(root, config | {"seeds": [1]}, "uncertainty").frame
    row = frame[(frame["model"] == "micro-qwen") & (frame["method"] == "gdiff")].iloc[0]
    # both cells answer 70 % of 80 questions on 40 facts rightly; their files are drawn independently
    assert row["ut_difference"] == 0 and 0.1 < row["ut_high"] == -row["ut_low"] < 0.2


def test_ranks(tree):
    root, config = tree
    frame = make(root, config, "ranks").frame
    column = frame[(frame["model"] == "micro-qwen") & (frame["benchmark"] == "wmdp-cyber")]
    best = column[(column["method"] == "ga") & (column["scope"] == "uoe")].iloc[0]
    assert (best["rank"], best["low"], best["high"], best["first"]) == (1.0, 1.0, 1.0, 1.0)
    assert column["rank"].sum() == pytest.approx(8 * 9 / 2)  # ranks 1 to 8
    rest = column.drop(best.name)
    assert (rest["high"] - rest["low"]).max() > 0 and rest["low"].min() >= 1 and rest["high"].max() <= 8
    collapsed = root / f"{QWEN}/ga/uoe/seed-1/chosen.json"
    content = collapsed.read_text()
    try:
        collapsed.write_text(content.replace('"collapsed": false', '"collapsed": true'))
        frame = make(root, config, "ranks").frame
    finally:
        collapsed.write_text(content)
    row = frame[(frame["model"] == "micro-qwen") & (frame["benchmark"] == "wmdp-cyber") & (frame["method"] == "ga")]
    assert row[row["scope"] == "uoe"]["collapsed"].item() == 1
    # a collapsed run comes last in its seed, whatever its scores
    assert row[row["scope"] == "uoe"]["rank"].item() == pytest.approx((1 + 8 + 1) / 3)


@pytest.mark.parametrize("name", ["uncertainty", "ranks"])
def test_the_stage_writes_all_formats(tree, name, tmp_path):
    root, config = tree
    alone = {"uncertainty": "one seed: training anew is not in it", "ranks": "One seed: ranks without intervals"}[name]
    for seeds, note in (([0, 1, 2], "Student's t over 3 seeds"), ([0], alone)):
        result = render(root, config | {"seeds": seeds}, name, tmp_path / name)
        assert result.returncode == 0, result.stderr
        assert note in (tmp_path / f"{name}.md").read_text()
    assert all((tmp_path / f"{name}.{end}").stat().st_size > 1000 for end in ("csv", "tex", "html"))
