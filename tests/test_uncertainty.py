"""Tables of uncertainty on scores that are known."""

import json

import numpy
import pytest
import synthetic_results
from scipy import stats
from table_helpers import make
from test_table_outputs import render

from planning import pictures

QWEN = "cells/micro-qwen/wmdp-cyber"
LEFT = (1.0, 0.85, 0.65, 0.45, 0.25, 0.05)
SLOPES = (0.40, 0.46, 0.43)  # of GA in each seed, Qwen, WMDP: its utility falls so many times as far as its knowledge
GAINS = [slope - 0.3 for slope in SLOPES]  # all others: 0.3


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Table 2's cells for three seeds. All runs are alike: but GA on Qwen, WMDP falls by SLOPES, and NPO there gets to
    Left .45 alone."""
    config = synthetic_results.load_config() | {"seeds": [0, 1, 2]}
    root = synthetic_results.build(tmp_path_factory.mktemp("uncertainty"), config)
    for model, benchmark, method, scope in pictures.cells(config["tables"]["table2"], config["models"]):
        for seed in config["seeds"]:
            run(root / f"cells/{model}/{benchmark}/{method}/{scope}/seed-{seed}/chosen.json", 0.3, LEFT)
    for seed, slope in zip(config["seeds"], SLOPES, strict=True):
        run(root / f"{QWEN}/ga/baseline/seed-{seed}/chosen.json", slope, LEFT)
        path = root / f"{QWEN}/ga/uoe/seed-{seed}/chosen.json"
        content = json.loads(path.read_text())
        content["balance"]["fa"]["value"], content["balance"]["ut"]["value"] = 0.2, 0.99
        path.write_text(json.dumps(content))
    run(root / f"{QWEN}/npo/baseline/seed-1/chosen.json", 0.3, LEFT[:4])
    return root, config


def run(path, slope: float, left: tuple) -> None:
    content = json.loads(path.read_text())
    keep = [1 - slope * (1 - value) for value in left]
    content["curve"] |= {"steps": list(range(len(left))), "left": left, "keep": keep, "lowest": left[-1]}
    path.write_text(json.dumps(content))


def test_differences_at_equal_forgetting(tree):
    root, config = tree
    table = make(root, config, "uncertainty")
    rows = {(row.model, row.benchmark, row.method): row for row in table.frame.itertuples()}
    best = rows["micro-qwen", "wmdp-cyber", "ga"]
    for left in (75, 50, 25, 10):
        gains = (1 - left / 100) * numpy.array(GAINS)
        assert getattr(best, f"keep_{left}_difference") == pytest.approx(gains.mean())
        limits = stats.ttest_1samp(gains, 0).confidence_interval(0.95)
        assert (getattr(best, f"keep_{left}_low"), getattr(best, f"keep_{left}_high")) == pytest.approx(tuple(limits))
    assert best.kept_difference == pytest.approx(numpy.mean(GAINS) / 2) and best.span == pytest.approx(0.8)
    other = rows["micro-qwen", "wmdp-cyber", "gdiff"]
    assert (other.kept_difference, other.kept_low, other.kept_high) == (0, 0, 0)  # all seeds equal
    short = rows["micro-qwen", "wmdp-cyber", "npo"]
    assert short.keep_50_difference == pytest.approx(0) and short.span == pytest.approx((0.8 + 0.45 + 0.8) / 3)
    assert numpy.isnan(short.keep_25_difference) and numpy.isnan(short.keep_10_high)
    texts = table.wide.texts
    line = texts[texts["", "Method"] == "NPO+UOE"].iloc[0]
    assert line["", "Left 0.25"] == "–" and line["", "Span of both"] == "85%"
    mean = rows["mean of those compared", "", ""]
    within = numpy.array(GAINS) / 2 / 16  # averaged within each seed, then over seeds
    assert mean.kept_difference == pytest.approx(within.mean())
    assert (mean.kept_low, mean.kept_high) == pytest.approx(stats.ttest_1samp(within, 0).confidence_interval(0.95))
    assert mean.keep_25_difference == pytest.approx(0.75 * numpy.mean(GAINS) / 15)


def test_one_seed_has_no_intervals(tree):
    root, config = tree
    table = make(root, config | {"seeds": [1]}, "uncertainty")
    assert numpy.isnan(table.frame["kept_low"]).all()
    assert table.wide.texts["", "Kept utility"].iloc[0] == f"{GAINS[1] / 2:+.3f}"


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
