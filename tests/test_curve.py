"""Kept utility and the curve of a run, against integrals that are worked out by hand and a fine numerical one."""

import math
import random

import pytest

from benchmarks.curve import COARSE, Curve, compared, curve, keep_at, kept_utility, share, step_at


def run_of(*points: tuple[float, float]) -> Curve:
    """Curve through (Left, Keep) points after the start."""
    left, keep = zip((1.0, 1.0), *points, strict=True)
    return Curve(tuple(range(len(left))), left, keep)


def line(slope: float, step: float = 0.1) -> Curve:
    """Keep = 1 - slope * (1 - Left), at every `step` of Left."""
    lefts = [1 - step * (i + 1) for i in range(round(1 / step))]
    return run_of(*((left, 1 - slope * (1 - left)) for left in lefts))


def test_kept_utility_of_a_straight_line_is_its_value_in_the_middle():
    kept = kept_utility(line(0.6))
    assert kept.value == pytest.approx(1 - 0.6 * 0.5) and kept.counted == pytest.approx(0.8)


def test_it_equals_a_fine_numerical_integral_of_the_interpolated_curve():
    draw = random.Random(0)
    for _ in range(20):
        lefts = sorted((draw.random() for _ in range(25)), reverse=True)
        points = [(left, draw.random()) for left in [*lefts, 0.0]]
        run = run_of(*points)
        if run.largest_fall() > COARSE:
            continue
        grid = [0.1 + 0.8 * (i + 0.5) / 20000 for i in range(20000)]
        assert kept_utility(run).value == pytest.approx(math.fsum(keep_at(run, x) for x in grid) / 20000, abs=1e-4)


def test_only_the_running_minimum_of_left_counts():
    """A checkpoint at which the model knows more again is no part of the curve."""
    falling = run_of((0.8, 0.9), (0.6, 0.8), (0.4, 0.7), (0.2, 0.6), (0.05, 0.5))
    detour = run_of((0.8, 0.9), (0.6, 0.8), (0.7, 0.1), (0.4, 0.7), (0.45, 0.0), (0.2, 0.6), (0.05, 0.5))
    assert kept_utility(detour) == kept_utility(falling)


def test_a_fall_that_is_too_large_is_not_counted_and_one_of_a_quarter_is():
    assert kept_utility(run_of((0.9, 1.0), (0.65, 0.8), (0.1, 0.0))).counted == pytest.approx(0.25)
    assert kept_utility(run_of((0.9, 1.0), (0.1, 0.5))) == kept_utility(run_of((0.0, 0.3)))  # nothing is
    assert kept_utility(run_of((0.0, 0.3))).value is None
    assert run_of((0.9, 1.0), (0.65, 0.8), (0.1, 0.0)).largest_fall() == pytest.approx(0.55)
    assert (
        run_of((0.95, 1.0), (0.7, 1.0), (0.5, 0.9), (0.3, 0.9), (0.1, 0.5), (0.0, 0.4)).largest_fall() <= COARSE + 1e-9
    )


def test_a_run_that_stops_says_how_far_it_got_and_is_compared_over_what_both_reached():
    short, whole = run_of((0.8, 1.0), (0.6, 0.9), (0.5, 0.85)), line(1.0)
    assert short.lowest() == 0.5 and kept_utility(short).counted == pytest.approx(0.4)
    own, other = compared(short, whole)
    assert own.counted == other.counted == pytest.approx(0.4)
    assert own.value == kept_utility(short).value
    assert other.value == pytest.approx(0.7)  # Keep = Left, from .9 to .5
    assert kept_utility(whole).value == pytest.approx(0.5)
    assert compared(short, run_of((0.0, 1.0)))[0].value is None


def test_keep_at_a_value_of_left():
    run = run_of((0.9, 1.0), (0.7, 0.8), (0.3, 0.4), (0.1, 0.2))
    assert keep_at(run, 0.8) == pytest.approx(0.9)
    assert keep_at(run, 0.5) is None  # between .7 and .3 nothing is known
    assert keep_at(run, 0.05) is None  # not reached
    assert keep_at(run, 0.1) == pytest.approx(0.2)


def score(value: float, chance: float) -> dict:
    return {"all": {"value": value, "chance": chance, "stderr": 0.01}}


def test_shares_are_corrected_for_chance_and_clipped():
    original = {"step": 0, "forget": score(0.95, 0.25), "utility": score(0.85, 0.25)}
    entry = {"step": 3, "forget": score(0.6, 0.25), "utility": score(0.55, 0.25)}
    assert share(entry, original, "forget", "all") == pytest.approx(0.5)
    assert share(entry, original, "utility", "all") == pytest.approx(0.5)
    below = {"step": 5, "forget": score(0.1, 0.25), "utility": score(0.9, 0.25)}
    got = curve([below, original, entry], original)
    assert got.steps == (0, 3, 5) and got.left == pytest.approx((1, 0.5, 0)) and got.keep == pytest.approx((1, 0.5, 1))


def test_the_step_at_which_left_falls_to_a_value_lies_between_two_checkpoints():
    run = Curve((0, 4, 8, 10), (1.0, 0.9, 0.7, 0.3), (1.0, 1.0, 0.9, 0.8))
    assert step_at(run, 0.9) == 4 and step_at(run, 0.75) == pytest.approx(7)
    assert keep_at(run, 0.75) == pytest.approx(0.925)
    assert step_at(run, 0.5) is None and step_at(run, 0.2) is None  # falls too far; does not get there
