"""A model that knows its world is driven to collapse by real unlearning; its table and figures say so. One that is
taught to refuse what it was to forget, and keeps the rest, has not collapsed."""

import json
import sys

import matplotlib
import pytest
import synthetic_results
import torch
from table_helpers import figure_of, make, study_of
from test_evaluation import BENCHMARK, data, documents, folder, model, run, tokenizer  # noqa: F401 (fixtures)

import choose_checkpoint
import unlearn
from benchmarks.evaluating import evaluate, read_tests, responders
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
    scored = ("--original", tmp_path / "original.json", "--checkpoints", *checkpoints)
    run(monkeypatch, folder, data, cell / "metrics.json", BENCHMARK, *scored)
    files = ("--metrics", cell / "metrics.json", "--original", tmp_path / "original.json")
    threshold = ("--settings", '{"threshold": 0.27}')
    main(monkeypatch, choose_checkpoint, *files, *threshold, "--output", cell / "chosen.json")
    return root, config, original["checkpoints"][0]


def test_collapse_is_flagged_named_and_never_bold(collapsed):
    root, config, original = collapsed
    assert original["forget"]["all"]["value"] == original["utility"]["all"]["value"] == 1.0
    assert not original["collapsed"]
    chosen = json.loads((root / CELL / "chosen.json").read_text())["balance"]
    assert (chosen["collapsed"], chosen["status"]) == (True, "chosen")
    assert "of the answers stay when the question is swapped" in chosen["note"]
    table = make(root, config, "quick")
    shown = table.frame[table.frame["method"] == "ga"].set_index("quantity")
    assert "†" in shown.loc["FA", "marks"] and "†" in shown.loc["UT", "marks"]
    assert not shown["best"].any() and shown.loc["FA", "collapsed"] == "1/1"
    assert notes.DAGGER in table.notes and any("; collapsed (utility: " in note for note in table.notes)
    for name in ("figure1a", "figure3a", "figure3b"):
        figure = figure_of(study_of(root, config, "figures", name))
        written = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
        assert "collapsed" in written, name
    panels = figure_of(study_of(root, config, "figures", "figure6")).axes
    assert "step 30 (collapsed)" in [axes.get_title("left") for axes in panels]


REFUSAL = " I don't know\n"
PROBES = {"kind": "generation", "score": "rouge", "max_new_tokens": 16, "chat_template": False}


@pytest.fixture
def refusing(model, tokenizer, data):  # noqa: F811
    """The model after it was taught to refuse every blank (level 1) and to keep all other answers."""
    pairs = [(prompt, REFUSAL if "___" in prompt else answer) for prompt, answer in documents(data)]
    rows = [(tokenizer(a)["input_ids"], tokenizer(a + b)["input_ids"]) for a, b in pairs]
    width = max(len(whole) for _, whole in rows)
    ids = torch.tensor([whole + [0] * (width - len(whole)) for _, whole in rows])
    labels = torch.tensor([[-100] * len(a) + whole[len(a) :] + [-100] * (width - len(whole)) for a, whole in rows])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(100):
        loss = model(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss < 0.005:
            break
    assert loss < 0.05
    return model


def test_a_model_that_refuses_what_it_was_to_forget_has_not_collapsed(refusing, tokenizer, data):  # noqa: F811
    """The same answers where neighbours are asked, of whom nothing was to be forgotten, are a collapse."""
    blanks, asked = (PROBES | {"files": {level: f"{level}.jsonl"}} for level in ("level1", "level2"))
    answering = responders(refusing, tokenizer, 8)
    benchmark = {"name": "small", "utility_test": BENCHMARK["utility_test"]}
    tests = read_tests(benchmark | {"forget_test": blanks, "neighbours_test": asked}, data, ["development", "test"])
    entry, _ = evaluate(tests, answering, 1)
    assert entry["forget"]["all"]["value"] == 0.0 and entry["utility"]["all"]["value"] == 1.0
    assert entry["extra"]["neighbours"]["all"]["value"] == 1.0
    assert entry["forget_answers"]["refusing"] == 1.0 and sum(entry["forget_answers"].values()) == 1.0
    assert entry["collapse_measures"]["forget"]["one_string"] == 1.0
    assert (entry["collapsed"], entry["collapse_reasons"]) == (False, [])
    tests = read_tests(benchmark | {"forget_test": asked, "neighbours_test": blanks}, data, ["development", "test"])
    entry, _ = evaluate(tests, answering, 1)
    assert entry["collapsed"] and entry["forget_answers"]["right"] == 1.0
    assert entry["collapse_reasons"] == ["neighbours: 100% of the generations are one string"]
