"""Intervals of differences. The unit is the seed, which draws world, models and order anew: one number a seed, and
Student's t over seeds. Where a claim is about an average, the average is taken within each seed first.

With a single seed only the test's questions vary. Its standard error is then counted by fact: all questions of one
fact move together."""

import math
from dataclasses import dataclass
from functools import cache

import numpy
from scipy import stats
from scipy.optimize import brentq

ONE_SIDED = 0.025  # error of each limit: an interval of both is one of 95 %
EQUIVALENCE = 0.05  # error of each of the two one-sided tests
POWER = 0.80  # with which the smallest effect would have been seen
DIGITS = 12  # equal seeds have a spread of about 1e-17 in floating point


@dataclass(frozen=True)
class PerSeed:
    """One number a seed. values: `[seeds]`; facts: with a single seed, what each fact adds to the number's deviation
    (evidence/answers.py), None where the number is no mean over questions. Sums and multiples are taken seed by seed
    and fact by fact."""

    values: numpy.ndarray
    facts: dict[str, float] | None = None

    @property
    def mean(self) -> float:
        return float(self.values.mean())

    @property
    def error(self) -> float:
        """Standard error of the mean: over seeds, or over facts if there is but one seed (NaN if it has none)."""
        if len(self.values) > 1:
            return float(self.values.std(ddof=1)) / math.sqrt(len(self.values))
        return math.nan if self.facts is None else math.hypot(*self.facts.values())

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the error, at least 1."""
        return max(1, len(self.values if len(self.values) > 1 else self.facts or ()) - 1)

    def __add__(self, other: "PerSeed | float") -> "PerSeed":
        if not isinstance(other, PerSeed):
            return PerSeed(self.values + other, self.facts)
        facts = None
        if self.facts is not None and other.facts is not None:
            facts = {fact: self.facts.get(fact, 0) + other.facts.get(fact, 0) for fact in self.facts | other.facts}
        return PerSeed(self.values + other.values, facts)

    def __mul__(self, factor: float) -> "PerSeed":
        facts = None if self.facts is None else {fact: factor * value for fact, value in self.facts.items()}
        return PerSeed(factor * self.values, facts)

    def __sub__(self, other: "PerSeed | float") -> "PerSeed":
        return self + other * -1

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: float) -> "PerSeed":
        return self * -1 + other


def average(several: list[PerSeed]) -> PerSeed:
    """Mean within each seed, and within each fact."""
    return sum(several[1:], several[0]) * (1 / len(several))


def estimates(several: list[PerSeed]) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Means, their standard errors and degrees of freedom, `[cases]` each."""
    columns = zip(*((one.mean, one.error, one.freedom) for one in several), strict=True)
    means, errors, freedom = (numpy.array(column, float) for column in columns)
    return means.round(DIGITS), errors.round(DIGITS), freedom


def limits(over: str, means, errors, freedom) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Least ("every") or largest ("some") true mean of several cases: the observed one and its 95 % limits. Cases lie
    on the last axis; a single case has its plain t interval with either.

    The least is above the lowest of the cases' own lower limits (intersection-union: whichever case is the least,
    its own limit is under it), and under the lowest of the upper limits that hold for all k cases at once, each at
    level 1 - ONE_SIDED / k (Holm's first step). For the largest the same holds turned round."""
    if over == "some":
        effect, low, high = limits("every", -means, errors, freedom)
        return -effect, -high, -low
    own, corrected = (stats.t.ppf(1 - level, freedom) for level in (ONE_SIDED, ONE_SIDED / means.shape[-1]))
    return means.min(-1), (means - own * errors).min(-1), (means + corrected * errors).min(-1)


def equivalent(means, errors, freedom, bound: float) -> numpy.ndarray:
    """Whether every case lies within ±bound: both one-sided tests of each reject (intersection-union, uncorrected)."""
    return (numpy.abs(means) + stats.t.ppf(1 - EQUIVALENCE, freedom) * errors < bound).all(-1)


def smallest_seen(errors, freedom) -> numpy.ndarray:
    """Distance from the margin at which one case would have been seen beyond it with POWER, if the spread is the
    observed one of the noisiest of k cases; tested at ONE_SIDED / k, as in `limits`."""
    reach = [_noncentrality(ONE_SIDED / errors.shape[-1], one) for one in numpy.atleast_1d(freedom)]
    return (numpy.array(reach) * errors).max(-1)


@cache
def _noncentrality(level: float, freedom: float) -> float:
    """Standard errors by which a mean must differ for a one-sided t test to reject with POWER (noncentral t; the usual
    t + t falls short by 11 points of power for 3 seeds and 8 cases)."""
    critical = stats.t.ppf(1 - level, freedom)
    return brentq(lambda away: stats.nct.sf(critical, freedom, away) - POWER, 0, 10 * critical)


def interval(one: PerSeed) -> tuple[float, float]:
    """95 % limits of a single mean; NaN where nothing tells its error."""
    _, low, high = limits("every", *estimates([one]))
    return float(low), float(high)
