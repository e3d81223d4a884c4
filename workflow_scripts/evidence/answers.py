"""Per-question scores of a study's checkpoints, as arrays that are paired by question and seed."""

import gzip
import json
from functools import cache
from pathlib import Path

import numpy

from evidence.study import Study
from planning import layout

REPORTED = "test"


@cache
def _read(path: Path, recall: str, average: str) -> dict[tuple[int, str], dict[tuple, float]]:
    """(step, test) -> {question: score} of the reported half. average "levels": scaled, so that the plain mean is the
    mean of the parts' means."""
    if not path.is_file():
        raise SystemExit(f"{path}: no such file")
    answers: dict[tuple[int, str], dict[tuple, float]] = {}
    with gzip.open(path, "rt") as file:
        for line in file:
            row = json.loads(line)
            if row["half"] == REPORTED:
                key = row.get("part") or "", row["row"]
                score = row["correct"] if "correct" in row else row[recall]
                answers.setdefault((row["step"], row["test"]), {})[key] = score
    if average == "levels":
        for scores in answers.values():
            parts: dict[str, int] = {}
            for part, _ in scores:
                parts[part] = parts.get(part, 0) + 1
            for key in scores:
                scores[key] *= len(scores) / (len(parts) * parts[key[0]])
    return answers


class Answers:
    """A study's answers. Its settings have `tests`: benchmark -> {"score": which recall, "average": …} of its forget
    test, and "utility": the file of its utility test."""

    def __init__(self, study: Study):
        self.study, self.seeds, self.tests = study, study.seeds, study.settings["tests"]

    def questions(self, benchmark: str, test: str) -> str:
        """Name of the questions that a test asks: benchmarks may share their utility test."""
        shared = self.tests.get(benchmark, {}).get("utility") if test == "utility" else None
        return shared or f"{benchmark} {test}"

    def _scores(self, path: Path, benchmark: str, step: int, test: str) -> dict[tuple, float]:
        block = self.tests.get(benchmark, {}) if test == "forget" else {}
        answers = _read(path, block.get("score") or "rouge", block.get("average") or "questions")
        if (step, test) not in answers:
            raise SystemExit(f"{path}: step {step}, test {test}: no answer of the {REPORTED} half")
        return answers[step, test]

    def at(self, cell: tuple, steps: list[int], test: str) -> numpy.ndarray:
        """`[seeds, questions]` of a cell (model, benchmark, method, scope) at one step a seed."""
        paths = [self.study.path(layout.PREDICTIONS, cell, seed) for seed in self.seeds]
        return _aligned(paths, [self._scores(p, cell[1], s, test) for p, s in zip(paths, steps, strict=True)])

    def original(self, model: str, benchmark: str, test: str) -> numpy.ndarray:
        """`[seeds, questions]` of the untouched model."""
        paths = [self.study.path(layout.ORIGINAL_PREDICTIONS, (model, benchmark), seed) for seed in self.seeds]
        return _aligned(paths, [self._scores(path, benchmark, 0, test) for path in paths])

    def chosen(self, cell: tuple, choice: str = "balance") -> list[dict]:
        """Each seed's entry of chosen.json."""
        return [self.study.chosen(cell, seed, choice) for seed in self.seeds]

    def shown(self, cell: tuple, test: str, choice: str = "balance") -> numpy.ndarray:
        """`[seeds, questions]` at the checkpoints that the tables show."""
        return self.at(cell, [entry["step"] for entry in self.chosen(cell, choice)], test)


def _aligned(paths: list[Path], scores: list[dict[tuple, float]]) -> numpy.ndarray:
    keys = sorted(scores[0])
    for path, of_seed in zip(paths, scores, strict=True):
        if of_seed.keys() != scores[0].keys():
            raise SystemExit(f"{path}: its questions are not those of {paths[0]}")
    return numpy.array([[of_seed[key] for key in keys] for of_seed in scores])
