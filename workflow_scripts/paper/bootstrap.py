"""Bootstrap intervals of mean differences: seeds and questions are drawn again, each with replacement.

A difference stands as values `[seeds, questions]`, paired by both: one question, answered by two checkpoints of one
seed. Seeds are drawn by model, questions by test, and all cases of one model or test share the draw. With one seed
only questions are drawn: the interval then says nothing about training anew.
"""

from dataclasses import dataclass

import numpy

DRAWS = 2000
LEVEL = 95.0  # percent, two-sided, by percentiles


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


def draws(cases: list[Case]) -> numpy.ndarray:
    """`[DRAWS, cases]`: each case's mean in every draw. The generator's seed is fixed: equal values, equal draws."""
    generator = numpy.random.default_rng(0)
    seeds: dict[str, numpy.ndarray] = {}
    questions: dict[str, numpy.ndarray] = {}
    found = []
    for case in cases:
        rows, columns = case.values.shape
        if case.model not in seeds:
            seeds[case.model] = generator.multinomial(rows, numpy.full(rows, 1 / rows), DRAWS) / rows
        key = f"{case.questions} {columns}"
        if key not in questions:
            questions[key] = generator.multinomial(columns, numpy.full(columns, 1 / columns), DRAWS) / columns
        found.append(((seeds[case.model] @ case.values) * questions[key]).sum(1))
    return numpy.stack(found, axis=1)


def interval(drawn: numpy.ndarray) -> tuple[float, float]:
    """Limits of the middle LEVEL percent of one statistic's draws, `[DRAWS]`."""
    low, high = numpy.percentile(drawn, [50 - LEVEL / 2, 50 + LEVEL / 2])
    return float(low), float(high)
