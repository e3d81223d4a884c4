"""Which checkpoints of a run are scored: dense where something falls, few elsewhere, none after FA stands at chance."""

import math

import pytest
from test_choose_checkpoint import ORIGINAL, entry

from benchmarks.curve import curve
from benchmarks.scoring import FINE, STRIDE, scored
from planning.cell_files import checkpoint_steps

STEPS = checkpoint_steps({"steps": 90, "checkpoint_growth": 1.08})


def falling(middle: float, width: float, step: int, floor: float = 0.25) -> dict:
    """A run whose FA falls around step `middle`, and whose UT falls with it, half as far."""
    known = 1 / (1 + math.exp((step - middle) / width))
    return entry(step, floor + (0.85 - floor) * known, 0.45 + 0.2 * known)


def scores_of(run, steps=STEPS) -> list[dict]:
    asked = []

    def score(step: int) -> dict:
        assert step in steps and step not in asked
        asked.append(step)
        return run(step)

    entries = scored(steps, score, ORIGINAL)
    assert [one["step"] for one in entries] == sorted(asked)
    return entries


@pytest.mark.parametrize(("middle", "width"), [(19, 2), (30, 3), (45, 4), (60, 10), (12, 2)])
def test_no_fall_is_larger_than_a_quarter_and_few_are_scored(middle, width):
    entries = scores_of(lambda step: falling(middle, width, step))
    assert curve(entries, ORIGINAL).largest_fall() <= 0.25
    assert len(entries) < len(STEPS) / 2


def test_nothing_is_scored_after_fa_stands_at_chance():
    entries = scores_of(lambda step: falling(12, 1, step))
    strided = STEPS[STRIDE - 1 :: STRIDE]
    assert max(one["step"] for one in entries) <= strided[[step > 20 for step in strided].index(True) + 1]


def test_a_run_that_does_not_fall_is_scored_at_every_fourth_checkpoint_and_the_last():
    entries = scores_of(lambda step: entry(step, 0.85, 0.65))
    assert [one["step"] for one in entries] == sorted({*STEPS[STRIDE - 1 :: STRIDE], 90})


def test_a_jump_between_two_neighbours_is_left_as_it_is():
    entries = scores_of(lambda step: entry(step, 0.85 if step < 31 else 0.25, 0.6))
    assert {29, 31} <= {one["step"] for one in entries}
    assert curve(entries, ORIGINAL).largest_fall() > FINE


def test_checkpoints_grow_apart_and_end_with_the_budget():
    assert checkpoint_steps({"steps": 80, "checkpoint_growth": 1.6}) == [1, 2, 3, 5, 8, 13, 21, 34, 54, 80]
    assert checkpoint_steps({"steps": 1, "checkpoint_growth": 1.6}) == [1]
    assert checkpoint_steps({"steps": 5, "checkpoint_growth": 1}) == [1, 2, 3, 4, 5]
    assert len(STEPS) == len(set(STEPS)) and STEPS[-1] == 90 and STEPS[:10] == list(range(1, 11))
