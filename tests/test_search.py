"""The search over a method's settings: fixed numbers of trials, edges that move, and trials that end once lost."""

import math

import pytest

from benchmarks.curve import Curve
from unlearning.search import edges, search
from unlearning.trial import at_most, value


def peak(**best: float):
    """A value with one maximum, at `best`, that falls off in every direction."""
    return lambda settings: -sum(math.log(settings[name] / best[name]) ** 2 for name in best)


def tried_by(function, start: dict, trials: int) -> list[dict]:
    asked = []

    def count(settings: dict) -> float:
        asked.append(settings)
        return function(settings)

    assert search(start, trials, count) == asked  # each once, and no more than it says
    return asked


def test_a_best_value_at_the_edge_moves_the_search_on():
    tried = tried_by(peak(rate=0.09), {"rate": 0.001}, 8)
    best = max(tried, key=peak(rate=0.09))
    assert best["rate"] == pytest.approx(0.081, rel=0.02) and edges(best, tried) == []


def test_every_setting_is_searched_and_never_more_often_than_trials():
    start, function = {"rate": 1.0, "beta": 1.0}, peak(rate=3.0, beta=0.11)
    tried = tried_by(function, start, 20)
    assert max(tried[:12], key=function) == {"rate": 3.0, "beta": 0.111}
    assert len(tried) == 20  # finer and finer once no neighbour is better
    assert {settings["rate"] for settings in tried} > {3.0, 1.73, 5.2}
    assert tried_by(function, start, 4) == tried[:4]
    assert tried_by(function, start, 1) == [start]


def test_edges_names_what_was_not_tried_beyond_the_chosen_value():
    tried = [{"rate": 1.0, "beta": 1.0}, {"rate": 3.0, "beta": 1.0}, {"rate": 1.0, "beta": 0.333}]
    assert edges({"rate": 1.0, "beta": 1.0}, tried) == ["rate (smallest tried)", "beta (largest tried)"]


def test_a_trial_counts_nothing_for_what_it_does_not_reach_and_is_lost_when_it_cannot_win():
    half = Curve((0, 1, 2, 3), (1.0, 0.9, 0.7, 0.5), (1.0, 1.0, 1.0, 0.5))
    assert value(half) == pytest.approx((0.2 * 1 + 0.2 * 0.75) / 0.8)
    assert at_most(half) == pytest.approx(value(half) + 0.4 * 0.5 / 0.8)
    whole = Curve((0, 1, 2, 3, 4), (1.0, 0.9, 0.7, 0.5, 0.1), (1.0, 1.0, 1.0, 0.5, 0.5))
    assert value(whole) == at_most(whole) == pytest.approx(at_most(half))
