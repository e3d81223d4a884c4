"""The benchmark compares like with like, and its tables say what was measured."""

import json

import pytest
import torch
import yaml

from bench import arithmetic, start_up
from bench.parts import ratio_row, shared_questions
from bench.real import operations, step_row
from bench.report import draw, excerpt, markdown
from bench.steps import METHODS, Full, Naive, Reused, config_of, model_of
from moe.cost import Cost, cost_of

MACHINE = {"cores": 2, "torch": "2", "transformers": "5", "load_before": 0.1, "load_busiest": 1.25, "seconds": 120.0}


@pytest.mark.parametrize("method", METHODS)
def test_naive_steps_take_the_same_path_as_ours(method, monkeypatch):
    """Forget losses of five steps: what is timed against each other does the same work (fp32, other order of sums)."""
    monkeypatch.setattr("bench.steps.RATE", 1e-3)
    losses = []
    for kind in (Reused, Naive):
        step = kind(model_of(config_of(3, 4)), method, 2, 16, 4)
        losses.append([step.run(number) for number in range(5)])
    assert losses[0] == pytest.approx(losses[1], rel=5e-5)
    assert losses[0][4] != pytest.approx(losses[0][0], rel=5e-4)  # the same texts again, other weights


def test_full_fine_tuning_moves_everything():
    step = Full(model_of(config_of(3, 4)), "ga", 2, 16, 4)
    before = {name: parameter.clone() for name, parameter in step.model.named_parameters()}
    step.run(0)
    still = [name for name, parameter in step.model.named_parameters() if parameter.equal(before[name])]
    assert not [name for name in still if ".experts." not in name]  # an expert may have had no token


def rows() -> list[dict]:
    made = []
    for part, what, against in (
        ("a", "ga step, layer 2 of 12", "naive"),
        ("a", "ga step, layer 8 of 12", "naive"),
        ("a", "ga step, layer 8 of 12", "full"),
        ("b", "evaluating 8 checkpoints, layer 8 of 12", "HFLM"),
        ("shared", "the same where another cell has left its prefix", "ours"),
        ("d", "whole GA x UOE cell, layer 8", "naive"),
        *(("e", f"{axis} {n}", "naive") for axis in ("layers", "length", "experts") for n in (8, 16)),
        ("e", "checkpoints 8", "HFLM"),
    ):
        times = {against: [2.0, 3.0, 4.5], "other": [1.0, 1.0, 1.5]}
        made.append(ratio_row(part, what, times, against, "other", None if part == "d" else 2.0))
    made.append({"part": "c", "what": "ga step, layer 8", "against": "ours", "megabytes": 12.0})
    real = {"tokens_per_second": 1e4, "utilisation": 0.4, "gigabytes": 30.0, "gigabytes_bound": 40.0}
    made.append({"part": "real", "what": "ga step, big", "against": "ours"} | real)
    speeds = {"operations_per_second": 4e10, "product_per_second": 8e10, "utilisation": 0.5}
    made.append({"part": "f", "what": "pre-training, one", "operations": 4e9, "seconds": 0.1} | speeds)
    made.append({"part": "start", "what": "unlearn", "libraries": "torch", "seconds": 3.0, "seconds_forked": 0.25})
    limits = {f"limit_{name}": 2.0 for name in ("naive", "full", "naive RMU", "HFLM x 8")}
    limits |= {f"gigabytes_{name}": 1.5 for name in ("weights", "trained", "activations")} | {"head_in_layers": 1.0}
    shared = {"shared_passes": 0.25, "shared_saved": 0.125, "shared_cells": 2.4, "shared_gigabytes": 10.8}
    return [*made, {"part": "limits", "what": "one"} | limits | shared]


def test_tables_show_medians_spread_and_growth():
    json.dumps(rows(), allow_nan=False)
    text = markdown(rows(), MACHINE)
    assert "| ga step, layer 8 of 12 | 1.000 | naive | 3.000 | 3.00 (2.00 to 3.00) | 2.00 | 150% |" in text
    assert "| experts 16 | 3.00 | 2.00 |" in text and "| checkpoints 8 | 3.00 | 2.00 |" in text
    assert "| one, WMDP and MMLU | 25% | 12% | cell 3 | 10.8 |" in text
    assert "| unlearn | torch | 3.00 | 0.25 |" in text
    assert "| ga step, big | ours | 10,000 | 40% | 30.0 | 40.0 |" in text
    shown = excerpt(rows(), MACHINE)
    assert "\n\n| Steps of the micro study" in shown
    assert all("| pre-training, one | 4.00 | 100 | 40 | 80 | 0.50 |" in table for table in (text, shown))
    assert "| ga step, than full fine-tuning | 3.00 (2.00 to 3.00) | 2.00 |" in shown
    assert "| whole GA x UOE cell, than naive one-expert training | 3.00 (2.00 to 3.00) |  |" in shown
    assert "layer 2" not in shown and "2 minutes" in shown and len(draw(rows()).axes) == 3


def test_shared_questions_by_hand():
    """One layer below of three, 1e12 operations each, no head: shares of layer passes, and what reading takes off."""
    row = shared_questions(Cost([1e12] * 3, 0.0, [10**9] * 3, 0, 0, 0, []), 1000, 1)
    asked = 1987 + 14042
    answered = 10 * asked
    assert row["shared_passes"] == pytest.approx(asked / (asked + 2 * answered))
    gigabytes = asked * 150 * 1000 * 2 / 1e9
    assert row["shared_gigabytes"] == pytest.approx(gigabytes)
    below, above, loading, reading = asked * 1.5, answered * 3.0, 1.8 * 6, 1.8 * gigabytes  # 150 tokens, 1e14 a second
    assert row["shared_saved"] == pytest.approx((below - reading) / (loading + below + above))
    assert row["shared_cells"] == pytest.approx((loading + below + reading) / (below - reading))


@pytest.mark.parametrize("name", ["micro-qwen", "micro-llama"])
def test_operations_of_a_whole_step_as_counted_by_hand(name):
    """GA of everything against the count from the configuration: experts' grouped products and attention among them.
    The head sees one token less a row; the router and a shared expert's gate, some thousandths, are counted there too
    or not at all."""
    config = yaml.safe_load(arithmetic.CONFIG.read_text())
    step = arithmetic.unlearning_step(config, name, "baseline")
    cost = cost_of(arithmetic.model_for(config, name)[1].config, 128)
    expected = 3 * (512 * sum(cost.layers) + 508 * cost.head)
    assert arithmetic.operations(step) == pytest.approx(expected, rel=5e-3)


def test_share_of_the_yardstick_itself():
    """The product alone comes to its own speed; twice the work in one call is counted twice."""
    left, right = torch.randn(2, arithmetic.SIDE, arithmetic.SIDE)
    row = arithmetic.row("product", lambda: (left @ right, left @ right), 9)
    assert row["operations"] == 4 * arithmetic.SIDE**3
    assert 0.7 < row["utilisation"] < 1.4  # others may share the core in some rounds


def test_small_stages_load_nothing_heavy():
    assert start_up.libraries("choose_checkpoint") == []
    assert all((start_up.SCRIPTS / f"{name}.py").is_file() for name in start_up.STAGES)


@pytest.mark.parametrize(("kind", "method"), [(Naive, "ga"), (Reused, "rmu")])
def test_real_steps_in_small(kind, method):
    """The part that wants a GPU, on a small model in bf16: speed and operations belong to one another."""
    config = config_of(3, 4)
    row = step_row(what="small", config=config, layer=2, kind=kind, method=method, length=64, repeats=1)
    assert row["tokens_per_second"] == pytest.approx(4 * 64 / row["seconds"])
    counted = operations(cost_of(config, 64), kind, method, 2)
    assert row["operations_per_second"] == pytest.approx(row["tokens_per_second"] * counted)
    assert row["gigabytes"] is None and row["gigabytes_bound"] > 0
