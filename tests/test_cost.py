"""Counted costs against operations that torch counts while a model runs, and against the formulas by hand."""

import pytest
import torch
from tiny_models import random_tokens, tiny
from torch.utils.flop_counter import FlopCounterMode

from bench.parts import real_limits
from bench.real import REAL
from moe.cost import Cost, cost_of


@pytest.mark.parametrize("family", ["qwen2moe", "deepseek", "mixtral", "granite", "llama"])
def test_forward_operations_are_those_that_run(family):
    """Eager attention multiplies whole squares, of which the count takes the causal half."""
    model = tiny(family, 1)
    model.set_attn_implementation("eager")
    if family != "llama":
        model.set_experts_implementation("eager")
    ids = random_tokens(2, 16)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(input_ids=ids, use_cache=False)
    short, long = (cost_of(model.config, length) for length in (0, 16))
    scores = sum(long.layers) - sum(short.layers)
    assert scores > 0
    rotary = 2 * 16 * model.model.rotary_emb.inv_freq.numel()  # one small product for the table of angles
    assert counter.get_total_flops() - 32 * (long.above(0) + scores) in (0, rotary, 2 * rotary)


def test_ratios_are_the_formulas():
    layers, layer, head = 27, 16, 2.5
    cost = Cost([1.0] * layers, head, [], 0, 0, 0, [])
    ours = 2 * layers - 2 * layer + 2 * head
    assert cost.naive(layer) / cost.reused(layer) == (2 * layers - layer + 2 * head) / ours
    assert cost.full() / cost.reused(layer) == 3 * (layers + head) / ours
    assert cost.naive_rmu(layer) / cost.reused_rmu(layer) == (3 * (layers + head) + 2) / 4


def test_real_configurations_are_the_published_sizes():
    """14,315,784,192 and 15,706,484,224 parameters: embeddings and final norm are not among those counted here."""
    for (config, _), total in zip(REAL.values(), (14_315_784_192, 15_706_484_224), strict=True):
        cost = cost_of(config, 1024)
        assert sum(cost.layer_weights) + 2 * cost.head_weights + config.hidden_size == total
        assert cost.expert_weights == 3 * 2048 * 1408
    assert [round(row["limit_naive"], 1) for row in real_limits()] == [1.1, 1.6]
