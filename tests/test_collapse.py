"""A model that knows its world is driven to collapse by real unlearning; its table and figures say so."""

import json
import sys

import matplotlib
import pytest
import synthetic_results
from table_helpers import figure_of, make, study_of
from test_evaluation import BENCHMARK, data, folder, run, tokenizer  # noqa: F401 (fixtures)

import choose_checkpoint
import unlearn
from moe.selection import NOTHING
from rendering import notes

matplotlib.use("agg")
TRAINING = {
    "batch_size": 4,
    "block_length": 16,
    "steps": 30,
    "checkpoint_growth": 2,
    "probe_every": 10,
    "probe_blocks": 2,
}
CELL = "cells/micro-qwen/wmdp-cyber/ga/baseline/seed-0"


def main(monkeypatch, module, *arguments) -> None:
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
    module.main()


@pytest.fixture
def collapsed(folder, data, tmp_path, monkeypatch):  # noqa: F811
    """Results of a cell whose learning rate is 100 times too high, in a tree of invented ones."""
    config = synthetic_results.load_config()
    only = {"models": ["micro-qwen"], "benchmarks": ["wmdp-cyber"], "methods": ["ga"], "scopes": ["baseline"]}
    config["tables"] = {"quick": only}
    config["figures"] = {name: only for name in ("figure1a", "figure3a", "figure3b")}
    config["figures"]["figure6"] = only | {"layer": 1, "steps": [0, 30]}
    root = synthetic_results.build(tmp_path, config)
    cell, selection = root / CELL, tmp_path / "selection.json"
    selection.write_text(json.dumps(NOTHING))
    texts = {key: value for key, value in BENCHMARK.items() if not key.endswith("_test")}
    settings = {"benchmark": texts, "method": {"name": "ga"}, "scope": {"kind": "baseline"}, "learning_rate": 0.1}
    settings["training"] = TRAINING | {"precision": "float32"}
    rest = ("--settings", json.dumps(settings), "--seed", 0, "--output", cell)
    main(monkeypatch, unlearn, "--model", folder, "--data", data, "--selection", selection, *rest)
    original = run(monkeypatch, folder, data, tmp_path / "original.json", BENCHMARK)
    checkpoints = sorted((cell / "checkpoints").glob("*.safetensors"))
    run(monkeypatch, folder, data, cell / "metrics.json", BENCHMARK, "--checkpoints", *checkpoints)
    files = ("--metrics", cell / "metrics.json", "--original", tmp_path / "original.json")
    threshold = ("--settings", '{"threshold": 0.27}')
    main(monkeypatch, choose_checkpoint, *files, *threshold, "--output", cell / "chosen.json")
    return root, config, original["checkpoints"][0]


def test_collapse_is_flagged_named_and_never_bold(collapsed):
    root, config, original = collapsed
    assert original["forget"]["all"]["value"] == original["utility"]["all"]["value"] == 1.0
    assert not original["collapsed"]
    chosen = json.loads((root / CELL / "chosen.json").read_text())["balance"]
    assert (chosen["collapsed"], chosen["status"]) == (True, "all collapsed")
    assert "of the answers stay when the question is swapped" in chosen["note"]
    table = make(root, config, "quick")
    shown = table.frame[table.frame["method"] == "ga"].set_index("quantity")
    assert "†" in shown.loc["FA", "marks"] and "†" in shown.loc["UT", "marks"]
    assert not shown["best"].any() and shown.loc["FA", "collapsed"] == "1/1"
    assert notes.DAGGER in table.notes and any("checkpoints have collapsed" in note for note in table.notes)
    for name in ("figure1a", "figure3a", "figure3b"):
        figure = figure_of(study_of(root, config, "figures", name))
        written = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
        assert "collapsed" in written, name
    panels = figure_of(study_of(root, config, "figures", "figure6")).axes
    assert "step 30 (collapsed)" in [axes.get_title("left") for axes in panels]
