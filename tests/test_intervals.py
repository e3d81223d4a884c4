"""Intervals over seeds and verdicts by them: closed forms, and simulations of coverage, power and errors.

A share p over n simulated runs has a standard error of sqrt(p (1 - p) / n): 0.34 points at 95 % of 4,000 runs. Bounds
that must not be passed are given three of these."""

import math

import numpy
import pytest
from scipy import stats

from claims.cases import Claim
from claims.judging import FAILS, HOLDS, OPEN, SAME, verdicts
from evidence.answers import deviations
from evidence.intervals import (
    EQUIVALENCE,
    ONE_SIDED,
    PerSeed,
    average,
    equivalent,
    estimates,
    interval,
    limits,
    smallest_seen,
)

RUNS = 4000
SEEDS = (3, 5, 8)


def drawn(seed: int, means, deviation: float, seeds: int, correlation: float = 0.0) -> numpy.ndarray:
    """`[RUNS, seeds, cases]`: normal differences around true `means`; what all cases of one seed share (its world) is
    `correlation` of their variance."""
    generator = numpy.random.default_rng(seed)
    shared = generator.normal(0, 1, (RUNS, seeds, 1)) * math.sqrt(correlation)
    own = generator.normal(0, 1, (RUNS, seeds, len(means))) * math.sqrt(1 - correlation)
    return numpy.array(means) + deviation * (shared + own)


def observed(values: numpy.ndarray) -> tuple:
    """Means, errors (`[RUNS, cases]` each) and degrees of freedom, as `estimates` makes them of one study's cases."""
    seeds = values.shape[1]
    return values.mean(1), values.std(1, ddof=1) / math.sqrt(seeds), numpy.array(seeds - 1.0)


def share(condition: numpy.ndarray) -> float:
    return float(condition.mean())


def allowed(level: float) -> float:
    """The level and three standard errors of its share over RUNS."""
    return level + 3 * math.sqrt(level * (1 - level) / RUNS)


def claim(over: str, margin: float = 0.0, equivalence: float | None = None) -> Claim:
    return Claim("x", "", "", "", over, lambda study: [], margin, equivalence=equivalence)


def test_interval_of_seeds_is_students():
    values = numpy.array([0.10, 0.04, 0.13, 0.07])
    reach = stats.t.ppf(0.975, 3) * values.std(ddof=1) / 2
    assert interval(PerSeed(values)) == pytest.approx((0.085 - reach, 0.085 + reach))
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert interval(PerSeed(values)) == pytest.approx((expected.low, expected.high))


def test_seeds_that_are_all_equal_have_no_spread():
    assert interval(PerSeed(numpy.array([0.1, 0.1, 0.1]))) == (0.1, 0.1)  # .std() of these is 1.4e-17
    found = estimates([PerSeed(numpy.array([0.1 + 0.2, 0.3, 0.3]) - 0.3)])
    assert verdicts(claim("every"), *found) == OPEN  # 0 is not over 0, whatever floating point makes of it
    assert verdicts(claim("every", equivalence=0.01), *found) == SAME
    assert verdicts(claim("every", -0.01), *found) == HOLDS


def test_an_average_is_taken_within_each_seed_first():
    """Two models that share their seeds' worlds: the spread of the averages, not that of twice as many seeds."""
    first, second = PerSeed(numpy.array([0.1, 0.2, 0.6])), PerSeed(numpy.array([0.3, 0.2, 0.4]))
    both = average([first, second])
    assert both.values == pytest.approx([0.2, 0.2, 0.5]) and both.error == pytest.approx(0.1) and both.freedom == 2
    assert (2 * first - second + 1).values == pytest.approx([0.9, 1.2, 1.8])
    assert (1 - first).values == pytest.approx([0.9, 0.8, 0.4])


def test_with_one_seed_questions_count_by_fact():
    """Eight answers to one fact are one observation; facts of two scores pair, and cancel where answered alike."""
    generator = numpy.random.default_rng(0)
    right = generator.random(50) < 0.7
    answers = [("", f"fact {i}", float(one)) for i, one in enumerate(right)]
    once, eight = deviations(answers), deviations(answers * 8)
    binomial = math.sqrt(right.mean() * (1 - right.mean()) / 49)
    first = PerSeed(numpy.array([right.mean()]), once)
    assert first.error == pytest.approx(binomial) and first.freedom == 49
    assert PerSeed(first.values, eight).error == pytest.approx(binomial)  # not binomial / sqrt(8)
    assert (first - first).error == 0 and average([first, first]).error == pytest.approx(binomial)
    other = PerSeed(first.values, {f"other {fact}": value for fact, value in once.items()})
    assert (first - other).error == pytest.approx(math.sqrt(2) * binomial)
    assert math.isnan(PerSeed(numpy.array([0.3])).error)  # no mean over questions, one seed


def test_parts_of_equal_weight_keep_it_in_the_error():
    """The mean of two levels' means, of 10 and 90 probes: independent probes, each level's error halved."""
    generator = numpy.random.default_rng(1)
    levels = {"level1": generator.random(10), "level2": generator.random(90)}
    answers = [(part, f"{part} {i}", x) for part, values in levels.items() for i, x in enumerate(values)]
    expected = math.sqrt(sum((values.var() / len(values)) / 4 for values in levels.values()) * 100 / 99)
    assert math.hypot(*deviations(answers, by_part=True).values()) == pytest.approx(expected)


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_coverage(seeds, correlation):
    """Nominal 95 %: of a single case, of the average of eight, and of the least and the largest of them."""
    truth = numpy.linspace(-0.05, 0.05, 8)
    values = drawn(seeds, truth, 0.03, seeds, correlation)
    for centre, some in ((truth[0], values[..., :1]), (truth.mean(), values.mean(-1, keepdims=True))):
        _, low, high = limits("every", *observed(some))
        assert 0.93 < share((low < centre) & (centre < high)) < 0.975
    for over, extreme in (("every", truth.min()), ("some", truth.max())):
        _, low, high = limits(over, *observed(values))
        assert share(low > extreme) < allowed(ONE_SIDED) and share(high < extreme) < allowed(ONE_SIDED)


@pytest.mark.parametrize("seeds", SEEDS)
def test_coverage_of_accuracies(seeds):
    """Differences of two accuracies over 400 questions each, whose probabilities vary from seed to seed."""
    generator = numpy.random.default_rng(seeds)
    world = generator.normal(0, 0.05, (RUNS, seeds, 1))
    chances = numpy.clip(world + [0.75, 0.85] + generator.normal(0, 0.02, (RUNS, seeds, 2)), 0, 1)
    accuracies = generator.binomial(400, chances) / 400
    differences = accuracies[..., 1:] - accuracies[..., :1]
    # the mean over all runs is the truth, to .0003: clipping at 1 moves it
    _, low, high = limits("every", *observed(differences))
    assert 0.93 < share((low < differences.mean()) & (differences.mean() < high)) < 0.975


def test_one_case_of_sixteen_that_is_worse_is_seen():
    """Truly 12 points worse, seeds deviating by 2 points. The other 15 are 2 points better."""
    values = drawn(1, [-0.12] + [0.02] * 15, 0.02, 8)
    assert share(verdicts(claim("every"), *observed(values)) == FAILS) > 0.90
    assert share(verdicts(claim("some"), *observed(-values)) == HOLDS) > 0.90
    assert share(verdicts(claim("every"), *observed(values[:, :3])) == FAILS) > 0.05  # three seeds see it seldom


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_errors_at_the_margin(seeds, correlation):
    """All but the case at the margin are far beyond it: the quantifier then hangs on that one. With all cases at the
    margin "does not hold" is as often wrong."""
    margin = -0.02
    one = drawn(seeds, [margin] + [1.0] * 7, 0.03, seeds, correlation)
    held = share(verdicts(claim("every", margin), *observed(one)) == HOLDS)
    assert 0.015 < held < allowed(ONE_SIDED)  # close to the level: not needlessly wide
    assert share(verdicts(claim("some", -margin), *observed(-one)) == FAILS) == held
    every = observed(drawn(seeds, [margin] * 8, 0.03, seeds, correlation))
    assert share(verdicts(claim("every", margin), *every) == FAILS) < allowed(ONE_SIDED)
    assert share(verdicts(claim("some", margin), *every) == HOLDS) < allowed(ONE_SIDED)


@pytest.mark.parametrize("seeds", SEEDS)
def test_no_difference_is_seldom_said_of_one_that_is_as_large_as_the_bound(seeds):
    """True effect exactly at the bound, the other cases at 0; seen where there is none and seeds agree."""
    at_bound = observed(drawn(seeds, [0.03, 0, 0], 0.005, seeds))
    said = share(equivalent(*at_bound, 0.03))
    assert 0.03 < said < allowed(EQUIVALENCE)
    assert share(verdicts(claim("every", equivalence=0.03), *at_bound) == SAME) < allowed(EQUIVALENCE)
    none = observed(drawn(seeds, [0, 0, 0], 0.005, seeds))
    assert share(verdicts(claim("every", equivalence=0.03), *none) == SAME) > (0.8 if seeds > 3 else 0.5)
    assert SAME not in verdicts(claim("every"), *none)  # never where no bound was declared


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("cases", [1, 8])
def test_the_smallest_effect_is_seen_in_four_of_five_studies(seeds, cases):
    """One of the cases lies that far under the margin; seeds deviate by 2 points."""
    reach = float(smallest_seen(numpy.full(cases, 0.02 / math.sqrt(seeds)), numpy.array(seeds - 1.0)))
    values = drawn(cases, [-reach] + [10 * reach] * (cases - 1), 0.02, seeds)
    assert share(verdicts(claim("every"), *observed(values)) == FAILS) == pytest.approx(0.80, abs=allowed(0.80) - 0.80)


def test_verdicts_in_order():
    """A small effect that is sure is no "no difference": holds comes first."""
    found = numpy.array([0.01, 0.01]), numpy.array([0.001, 0.001]), numpy.array([7.0, 7.0])
    assert verdicts(claim("every", equivalence=0.03), *found) == HOLDS
    assert verdicts(claim("every", equivalence=0.03), -found[0], *found[1:]) == FAILS
    assert verdicts(claim("every", equivalence=0.03), 0 * found[0], *found[1:]) == SAME
    assert verdicts(claim("every", equivalence=0.03), 0 * found[0], 100 * found[1], found[2]) == OPEN


def test_a_bound_makes_sense_around_0_only():
    with pytest.raises(ValueError, match="equivalence needs margin 0"):
        claim("every", -0.02, 0.03)
