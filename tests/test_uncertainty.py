"""Tables of uncertainty on answers that are right with known probabilities."""

import json

import pytest
import synthetic_answers
import synthetic_results
from table_helpers import make
from test_table_outputs import render

from planning import pictures

QWEN = "cells/micro-qwen/wmdp-cyber"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Table 2's cells for three seeds: every method alone answers 70 % rightly; GA+UOE on Qwen, WMDP forgets all and
    keeps all; NPO never forgets as much as NPO+UOE."""
    config = synthetic_results.load_config() | {"seeds": [0, 1, 2]}
    root = synthetic_results.build(tmp_path_factory.mktemp("uncertainty"), config)
    paths = [path for name in ("uncertainty", "ranks") for path in pictures.files("tables", name, config)]
    synthetic_answers.build(root, paths, config)
    for seed in config["seeds"]:
        path = root / f"{QWEN}/ga/uoe/seed-{seed}/predictions.jsonl.gz"
        synthetic_answers.write(path, {"forget": 0.0, "utility": 1.0}, False)
        path = root / f"{QWEN}/npo/baseline/seed-{seed}/metrics.json"
        content = json.loads(path.read_text())
        for entry in content["checkpoints"]:
            entry["forget"]["development"] = entry["forget"]["development"] | {"value": 0.999}
        path.write_text(json.dumps(content))
    return root, config


def test_differences_at_equal_forgetting(tree):
    root, config = tree
    frame = make(root, config, "uncertainty").frame
    rows = {(row.model, row.benchmark, row.method): row for row in frame.itertuples()}
    best = rows["micro-qwen", "wmdp-cyber", "ga"]
    assert best.ut == 1.0 and best.ut_difference == pytest.approx(1 - best.ut_baseline)
    assert 0.2 < best.ut_low < best.ut_difference < best.ut_high < 0.4
    assert best.fa_high < 0 and best.steps == "80/80 80/80 80/80"
    other = rows["micro-qwen", "wmdp-cyber", "gdiff"]
    assert other.ut_low < 0 < other.ut_high  # both answer 70 % rightly
    unmatched = rows["micro-qwen", "wmdp-cyber", "npo"]
    assert unmatched.steps == "" and unmatched.fa != unmatched.fa
    differences = [row.ut_difference for key, row in rows.items() if key[1] and row.steps]
    assert rows["mean of 15", "", ""].ut_difference == pytest.approx(sum(differences) / 15)


def test_ranks(tree):
    root, config = tree
    frame = make(root, config, "ranks").frame
    column = frame[(frame["model"] == "micro-qwen") & (frame["benchmark"] == "wmdp-cyber")]
    best = column[(column["method"] == "ga") & (column["scope"] == "uoe")].iloc[0]
    assert (best["rank"], best["low"], best["high"], best["first"]) == (1.0, 1.0, 1.0, 1.0)
    assert column["rank"].sum() == pytest.approx(8 * 9 / 2)  # ranks 1 to 8
    rest = column.drop(best.name)
    assert (rest["high"] - rest["low"]).min() > 0  # the others are all alike
    collapsed = root / f"{QWEN}/ga/uoe/seed-1/chosen.json"
    content = collapsed.read_text()
    try:
        collapsed.write_text(content.replace('"collapsed": false', '"collapsed": true'))
        frame = make(root, config, "ranks").frame
    finally:
        collapsed.write_text(content)
    row = frame[(frame["model"] == "micro-qwen") & (frame["benchmark"] == "wmdp-cyber") & (frame["method"] == "ga")]
    assert row[row["scope"] == "uoe"]["collapsed"].item() == 1
    assert row[row["scope"] == "uoe"]["rank"].item() == 8.0  # a collapsed run comes last, whatever its scores


@pytest.mark.parametrize("name", ["uncertainty", "ranks"])
def test_the_stage_writes_all_formats(tree, name, tmp_path):
    root, config = tree
    for seeds, note in (([0, 1, 2], "and of seeds"), ([0], "one seed: training anew is not in it")):
        result = render(root, config | {"seeds": seeds}, name, tmp_path / name)
        assert result.returncode == 0, result.stderr
        assert note in (tmp_path / f"{name}.md").read_text()
    assert all((tmp_path / f"{name}.{end}").stat().st_size > 1000 for end in ("csv", "tex", "html"))
