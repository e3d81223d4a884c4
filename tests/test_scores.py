"""Scores: standard errors counted by fact against closed forms and a bootstrap of facts; the other figures beside."""

import math
import random

import numpy
import pytest

from benchmarks.halves import half, placed
from benchmarks.multiple_choice import probability
from benchmarks.scores import accuracy, mean_by_fact, mean_recall


def answer(i: int, **more) -> dict:
    first = float(i % 2 == 0)
    row = {"chosen": i % 2, "gold": 0, "correct": first, "probability": 0.5 + first / 4, "options": 4, "fact": str(i)}
    return row | {"subject": "ab"[i // 6]} | more


def test_one_question_a_fact_gives_the_binomial_error():
    score = accuracy([answer(i) for i in range(8)])
    assert score["stderr"] == pytest.approx(math.sqrt(0.5 * 0.5 / 8 * 8 / 7))  # n / (n - 1): the variance is estimated
    assert (score["answers"], score["constant"], score["chance"]) == ([4, 4, 0, 0], [1, 0, 0, 0], 0.25)
    assert (score["by_subject"]["b"], score["macro"]) == ({"value": 0.5, "n": 2}, 0.5)
    assert (score["n"], score["facts"], score["probability"]) == (8, 8, 0.625)
    assert score["probability_stderr"] == pytest.approx(0.125 / math.sqrt(7))
    assert mean_recall([0.0, 1.0, 0.5], ["a", "b", "c"])["stderr"] == pytest.approx(0.5 / 3**0.5)


def test_repeated_questions_add_nothing_and_independent_ones_do():
    """Four copies of each answer have the error of one; facts whose answers differ within alone have none."""
    once = accuracy([answer(i) for i in range(8)])
    four = accuracy([answer(i) for i in range(8) for _ in range(4)])
    assert four["stderr"] == pytest.approx(once["stderr"]) and (four["n"], four["facts"]) == (32, 8)
    assert accuracy([answer(i, fact=str(i // 2)) for i in range(8)])["stderr"] == pytest.approx(0.0)
    assert accuracy([answer(i, fact="one") for i in range(8)])["stderr"] is None


def test_error_is_that_of_drawing_facts():
    """Against a bootstrap over facts with unequal numbers of questions; 3 % is four of its own errors."""
    draw = random.Random(0)
    facts, values = [], []
    for fact in range(80):
        knows = draw.random()
        for _ in range(draw.randint(1, 6)):
            facts.append(str(fact))
            values.append(float(draw.random() < knows))
    mean, error = mean_by_fact(values, facts)
    sums, counts = numpy.zeros(80), numpy.zeros(80)
    numpy.add.at(sums, [int(fact) for fact in facts], values)
    numpy.add.at(counts, [int(fact) for fact in facts], 1)
    drawn = numpy.random.default_rng(0).integers(0, 80, (10000, 80))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    assert mean == pytest.approx(numpy.mean(values)) and error == pytest.approx(means.std(), rel=0.03)


def test_parts_count_equally_and_share_their_facts():
    """Two levels that ask the same facts: the errors of the levels add up within a fact, not in quadrature."""
    values, facts, parts = [1.0, 0.0, 1.0, 0.0, 1.0, 1.0], list("abcaab"), ["1", "1", "1", "2", "2", "2"]
    mean, error = mean_by_fact(values, facts, parts)
    assert mean == pytest.approx((2 / 3 + 2 / 3) / 2)
    a, b, c = (1 / 3 - 2 / 3 + 1 / 3) / 6, (-2 / 3 + 1 / 3) / 6, (1 / 3) / 6
    assert error == pytest.approx(math.sqrt(3 / 2 * (a**2 + b**2 + c**2)))
    same, twice = [1.0, 0.0, 1.0, 0.0], ["a", "b", "a", "b"]
    assert mean_by_fact(same, twice, ["1", "1", "2", "2"])[1] == pytest.approx(mean_by_fact(same[:2], twice[:2])[1])


def test_probability_of_the_right_option():
    assert probability([-1.0, -1.0, -1.0, -1.0], 2) == 0.25
    assert probability([-1000.0 + math.log(3), -1000.0], 0) == 0.75
    assert probability([0.0, -5000.0], 1) == 0.0


def test_halves_follow_the_fact():
    rows = [placed({"question": f"wording {i}"}, "one fact", "x") for i in range(9)]
    assert {(row["fact"], row["half"]) for row in rows} == {("one fact", half("one fact"))}
    assert placed({"fact": "f", "half": "test"}, "question", "x") == {"fact": "f", "half": "test"}
    assert placed({"fact": "f"}, "question", "x")["half"] == half("f")
    with pytest.raises(SystemExit, match="x: half 'third' of fact 'f' is none of development, test"):
        placed({"fact": "f", "half": "third"}, "question", "x")
