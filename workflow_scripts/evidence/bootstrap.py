"""Bootstrap intervals of mean differences: seeds and questions are drawn again, each with replacement.

A difference stands as values `[seeds, questions]`, paired by both: one question, answered by two checkpoints of one
seed. Seeds are drawn by model, questions by test, and all cases of one model or test share the draw. A draw moves the
mean by what the drawn seeds' means and by what the drawn questions' means differ from it. With one seed only questions
are drawn: the interval then says nothing about training anew."""

import math
from dataclasses import dataclass

import numpy
from scipy import stats

DRAWS = 2000
LEVEL = 95.0  # percent, two-sided


@dataclass(frozen=True)
class Case:
    """One difference. values: `[seeds, questions]` (one column where it is no mean over questions); model, questions:
    whose seeds, and which test's questions, are drawn again."""

    name: str
    model: str
    questions: str
    values: numpy.ndarray
    collapsed: bool = False

    @property
    def mean(self) -> float:
        return float(self.values.mean())


def widening(seeds: int) -> float:
    """By how much drawn seeds have to lie further from their mean than they do.

    A mean of n drawn again varies sqrt((n - 1) / n) too little, and n values know their own spread only as well as
    Student's t allows. Without this the 95 % interval of three seeds holds the truth in about 75 of 100 cases: it can't
    reach beyond the outermost seed (Hesterberg 2015, The American Statistician 69, on "narrowness bias")."""
    if seeds == 1:
        return 1.0
    freedom, upper = seeds - 1, 0.5 + LEVEL / 200
    return math.sqrt(seeds / freedom) * float(stats.t.ppf(upper, freedom) / stats.norm.ppf(upper))


def draws(cases: list[Case]) -> numpy.ndarray:
    """`[DRAWS, cases]`: each case's mean in every draw. The generator's seed is fixed: equal values, equal draws."""
    generator = numpy.random.default_rng(0)
    seeds: dict[str, numpy.ndarray] = {}
    questions: dict[str, numpy.ndarray] = {}
    means = []
    for case in cases:
        rows, columns = case.values.shape
        if case.model not in seeds:
            seeds[case.model] = widening(rows) * _drawn(generator, rows)
        key = f"{case.questions} {columns}"
        if key not in questions:
            questions[key] = _drawn(generator, columns)
        moved = seeds[case.model] @ case.values.mean(1) + questions[key] @ case.values.mean(0)
        means.append(case.values.mean() + moved)
    return numpy.stack(means, axis=1)


def _drawn(generator: numpy.random.Generator, count: int) -> numpy.ndarray:
    """`[DRAWS, count]`: how much more weight than 1/count each of `count` things drawn with replacement has."""
    return generator.multinomial(count, numpy.full(count, 1 / count), DRAWS) / count - 1 / count


def interval(drawn: numpy.ndarray) -> tuple[float, float]:
    """Limits of the middle LEVEL percent of one statistic's draws, `[DRAWS]`."""
    low, high = numpy.percentile(drawn, [50 - LEVEL / 2, 50 + LEVEL / 2])
    return float(low), float(high)


def joint_interval(drawn: numpy.ndarray, means: numpy.ndarray, chosen: int) -> tuple[float, float]:
    """Interval of case `chosen`, so wide that those of all cases (`[DRAWS, cases]`) hold at once. The least or largest
    of several means is so by luck, too: its own interval would take that luck for an effect. Each limit is as far away
    as the most deviant case is in 100 - (100 - LEVEL)/2 percent of the draws."""
    away = drawn - means
    below, above = (numpy.percentile(side.max(1), 50 + LEVEL / 2) for side in (away, -away))
    return float(means[chosen] - below), float(means[chosen] + above)


def described(seeds: list[int]) -> str:
    drawn = " (one seed: training anew is not in it)"
    if len(seeds) > 1:
        drawn = " and of seeds (these widened as Student's t is for so few)"
    return (
        f"Brackets: middle {LEVEL:g} % of {DRAWS:,} bootstrap draws of questions{drawn}, paired by question and seed. "
        "Questions are drawn as if independent, though some ask for one fact in two wordings."
    )
