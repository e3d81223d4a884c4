"""Scores of a study's checkpoints, one number a seed, and with a single seed what each fact that is asked adds.

Seeds ask different questions (each has a world of its own), so answers are never paired over seeds."""

import gzip
import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy

from benchmarks.halves import HALVES
from evidence.intervals import PerSeed
from evidence.study import TESTS, Study, field
from planning import layout


@cache
def _read(path: Path, recall: str) -> dict[tuple, list[tuple[str, str, float]]]:
    """(step, test, half) -> (part, fact, score) of each question. A question that names no fact is one itself."""
    if not path.is_file():
        raise SystemExit(f"{path}: no such file")
    answers: dict[tuple, list] = {}
    with gzip.open(path, "rt") as file:
        for line in file:
            row = json.loads(line)
            part, score = row.get("part") or "", row["correct"] if "correct" in row else row[recall]
            fact = row.get("fact") or f"{part} {row['row']}"
            answers.setdefault((row["step"], row["test"], row["half"]), []).append((part, fact, score))
    return answers


def deviations(answers: list[tuple[str, str, float]], by_part: bool = False) -> dict[str, float]:
    """Fact -> what its questions add to the mean's deviation: the root of the sum of their squares is the mean's
    standard error, counted by fact (sandwich estimator with F / (F - 1) for F facts).

    answers: (part, fact, score) of each question; by_part: the score is the mean of the parts' means."""
    parts: dict[str, list[float]] = {}
    for part, _, score in answers:
        parts.setdefault(part if by_part else "", []).append(score)
    means = {part: math.fsum(scores) / len(scores) for part, scores in parts.items()}
    added: dict[str, float] = {}
    for part, fact, score in answers:
        part = part if by_part else ""
        added[fact] = added.get(fact, 0.0) + (score - means[part]) / (len(parts[part]) * len(parts))
    few = math.sqrt(len(added) / (len(added) - 1)) if len(added) > 1 else math.nan
    return {fact: few * value for fact, value in added.items()}


class Answers:
    """A study's scores, one number a seed; with a single seed also what each fact adds. quantity: fa or ut. The study's
    settings have `tests`: benchmark -> {"score": which recall, "average": …} of its forget test, and "utility": the
    file of its utility test."""

    def __init__(self, study: Study):
        self.study, self.tests = study, study.settings["tests"]

    def shown(self, cell: tuple, quantity: str) -> PerSeed:
        """Of a cell (model, benchmark, method, scope) at the checkpoints that the tables show. One that has collapsed
        has forgotten nothing: the untouched model's FA stands for its own."""
        entries = [self.study.chosen(cell, seed, "balance") for seed in self.study.seeds]
        names = [f"{quantity}_original" if e["collapsed"] and quantity == "fa" else quantity for e in entries]
        values = [entry[name]["value"] for entry, name in zip(entries, names, strict=True)]

        def facts(seed: int) -> dict[str, float]:
            if names[0] != quantity:
                return self._original(cell, seed, quantity)
            steps = field(entries[0], self.study.path(layout.CHOSEN, cell, seed), "steps")
            return self._facts(self.study.path(layout.PREDICTIONS, cell, seed), cell[1], steps, TESTS[quantity])

        return self._per_seed(values, facts)

    def original(self, cell: tuple, quantity: str) -> PerSeed:
        """Of the untouched model, on the questions on which the cell is shown."""
        values = [self.study.chosen(cell, seed, "balance")[f"{quantity}_original"] for seed in self.study.seeds]
        return self._per_seed([score["value"] for score in values], lambda seed: self._original(cell, seed, quantity))

    def at(self, cell: tuple, steps: list[int], quantity: str) -> PerSeed:
        """Of a cell at one step a seed, on all questions."""
        test, values = TESTS[quantity], []
        for seed, step in zip(self.study.seeds, steps, strict=True):
            (entry,) = (entry for entry in self.study.metrics(cell, seed) if entry["step"] == step)
            values.append(field(entry, self.study.path(layout.METRICS, cell, seed), test, "all", "value"))

        def facts(seed: int) -> dict[str, float]:
            path = self.study.path(layout.PREDICTIONS, cell, seed)
            return self._facts(path, cell[1], dict.fromkeys(HALVES, steps[0]), test)

        return self._per_seed(values, facts)

    def _per_seed(self, values: list[float], facts: Callable[[int], dict | None]) -> PerSeed:
        """facts: function of the seed, asked only where there is a single one."""
        alone = len(self.study.seeds) == 1
        return PerSeed(numpy.array(values, float), facts(self.study.seeds[0]) if alone else None)

    def _original(self, cell: tuple, seed: int, quantity: str) -> dict[str, float]:
        path = self.study.path(layout.ORIGINAL_PREDICTIONS, cell, seed)
        return self._facts(path, cell[1], dict.fromkeys(HALVES, 0), TESTS[quantity])

    def _facts(self, path: Path, benchmark: str, steps: dict[str, int], test: str) -> dict[str, float]:
        """Of a score that is the mean of two halves, each answered at its own step: fact -> what it adds to the
        deviation. Facts bear their questions' name: benchmarks may share a utility test, and its facts count once."""
        block = self.tests.get(benchmark, {}) if test == "forget" else {}
        questions = self.tests.get(benchmark, {}).get("utility") if test == "utility" else f"{benchmark} {test}"
        answers = _read(path, block.get("score") or "rouge")
        added: dict[str, float] = {}
        for half, step in steps.items():
            if (step, test, half) not in answers:
                raise SystemExit(f"{path}: step {step}, test {test}: no answer of the {half} half")
            of_half = deviations(answers[step, test, half], block.get("average") == "levels")
            for fact, value in of_half.items():
                key = f"{questions}: {fact}"
                added[key] = added.get(key, 0.0) + value / len(steps)
        return added
