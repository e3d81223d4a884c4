"""The halves of the micro world's tests: split by fact, balanced, and equally easy for a model that knows nothing."""

import random
from collections import Counter

import numpy
import pytest

import build_world
from benchmarks.halves import HALVES
from jobs.files import read_jsonl
from micro.wording import option_sets

MULTIPLE_CHOICE = ("wmdp/wmdp-cyber/test.jsonl", "mmlu/all/test.jsonl")
WHO = ("forget", "neighbor")
PROBES = tuple(f"rwku/{who}_level{level}.jsonl" for who in WHO for level in (1, 2))
MODELS = 400


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    build_world.build("facts", {}, 0, folder)
    return folder


def of_half(rows: list[dict], half: str) -> list[dict]:
    return [row for row in rows if row["half"] == half]


def scores(rows: list[dict], answers: list[bool]) -> tuple[float, float]:
    """Accuracy on each half."""
    halves = [[right for row, right in zip(rows, answers, strict=True) if row["half"] == half] for half in HALVES]
    return tuple(sum(own) / len(own) for own in halves)


@pytest.mark.parametrize("files", [[name] for name in MULTIPLE_CHOICE] + [list(PROBES[:2]), list(PROBES[2:])])
def test_no_fact_is_asked_in_both_halves(data, files):
    rows = [row for name in files for row in read_jsonl(data / name)]
    asked = [{row["fact"] for row in of_half(rows, half)} for half in HALVES]
    assert asked[0] and not asked[0] & asked[1] and len(asked[0]) == len(asked[1])
    assert len(of_half(rows, HALVES[0])) == len(of_half(rows, HALVES[1])) == len(rows) / 2
    assert len(set(Counter(row["fact"] for row in rows).values())) == 1  # every fact as often
    for row in rows:
        name = row["subject"] if "query" in row else row["fact"].rsplit(" ", 1)[0]
        assert row["fact"].startswith(f"{name} ") and name in row.get("query", row.get("question"))


def test_answers_in_free_text_are_the_same_in_both_halves(data):
    for who in WHO:
        rows = [row for level in (1, 2) for row in read_jsonl(data / f"rwku/{who}_level{level}.jsonl")]
        first, second = (Counter(row["answer"] for row in of_half(rows, half)) for half in HALVES)
        assert first == second and len(set(first.values())) == 1


def test_options_are_balanced_within_each_half(data):
    for name in MULTIPLE_CHOICE:
        for half in HALVES:
            rows = of_half(read_jsonl(data / name), half)
            right = Counter(row["choices"][row["answer"]] for row in rows)
            shown = Counter(option for row in rows for option in row["choices"])
            assert shown == {value: 4 * count for value, count in right.items()} and set(right.values()) == {4}
            assert set(Counter(row["answer"] for row in rows).values()) == {len(rows) // 4}
            assert all(len(set(row["choices"])) == 4 for row in rows)
            asked = Counter((row["question"], frozenset(row["choices"])) for row in rows)
            assert asked.most_common(1)[0][1] == 1  # another set of options each time


@pytest.mark.parametrize("name", MULTIPLE_CHOICE)
def test_models_that_prefer_values_or_positions_score_one_quarter_in_each_half(data, name):
    """Exactly, whatever they prefer. A split of the same questions by chance sets the halves against each other."""
    rows, draw = read_jsonl(data / name), random.Random(0)
    values = sorted({option for row in rows for option in row["choices"]})
    chance = [draw.random() < 0.5 for _ in rows]
    by_chance = []
    for _ in range(MODELS):
        liking = dict(zip(values, draw.sample(range(len(values)), len(values)), strict=True))
        answers = [max(row["choices"], key=liking.get) == row["choices"][row["answer"]] for row in rows]
        assert scores(rows, answers) == (0.25, 0.25)
        halves = [
            [right for right, side in zip(answers, chance, strict=True) if side == half] for half in (True, False)
        ]
        by_chance.append([sum(own) / len(own) for own in halves])
    assert numpy.corrcoef(numpy.array(by_chance).T)[0, 1] < -0.9
    for position in range(4):
        assert scores(rows, [row["answer"] == position for row in rows]) == (0.25, 0.25)


@pytest.mark.parametrize("name", MULTIPLE_CHOICE)
def test_mixed_preferences_and_noise_do_not_set_the_halves_against_each_other(data, name):
    """Values, positions, questions and some knowledge together; 0.1 is two standard errors of a correlation of 0."""
    rows, draw = read_jsonl(data / name), numpy.random.default_rng(0)
    values = sorted({option for row in rows for option in row["choices"]})
    index = numpy.array([[values.index(option) for option in row["choices"]] for row in rows])
    answer = numpy.array([row["answer"] for row in rows])
    for knowledge, least in ((0.0, -0.1), (1.0, 0.5)):
        results = []
        for _ in range(MODELS):
            liking = draw.normal(size=len(values))[index] + draw.normal(size=4) + draw.normal(size=index.shape)
            liking[range(len(rows)), answer] += knowledge * draw.uniform()  # how much a model knows
            results.append(scores(rows, (liking.argmax(1) == answer).tolist()))
        results = numpy.array(results)
        assert numpy.corrcoef(results.T)[0, 1] >= least
        if not knowledge:
            errors = results.std(0) / MODELS**0.5
            assert (abs(results.mean(0) - 0.25) < 3 * errors).all()


@pytest.mark.parametrize("who", WHO)
def test_models_that_say_one_value_always_score_the_same_in_both_halves(data, who):
    rows = [row for level in (1, 2) for row in read_jsonl(data / f"rwku/{who}_level{level}.jsonl")]
    draw, by_wording = random.Random(0), {}
    for row in rows:
        by_wording.setdefault(row["query"].replace(row["subject"], ""), set()).add(row["answer"])
    for _ in range(MODELS):
        said = {wording: draw.choice(sorted(values)) for wording, values in by_wording.items()}
        answers = [said[row["query"].replace(row["subject"], "")] == row["answer"] for row in rows]
        first, second = scores(rows, answers)
        assert first == second == (0.1 if who == "forget" else 0.2)  # ten values and five


@pytest.mark.parametrize("count", [4, 6, 10, 12])
def test_sets_of_options(count):
    sets = option_sets(count, random.Random(count))
    assert len(sets) == count // 2 and all(len(set(four)) == 4 for four in sets)
    assert set(Counter(place for four in sets for place in four).values()) == {2}
