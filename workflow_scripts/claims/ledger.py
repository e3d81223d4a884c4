"""What decides a claim: cases with an effect each, a quantifier over them, and a margin.

The claims themselves are in claim_list.py. An effect is positive where it goes the claimed way. Every seed of the study
takes part; with one seed nothing is decided. A checkpoint that has collapsed has forgotten nothing: in its forget
test the untouched model's answers stand for its own.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy

from evidence import results
from evidence.answers import REPORTED, Answers
from evidence.bootstrap import Case, draws, interval, joint_interval
from jobs.files import read_json
from rendering import labels

HOLDS, FAILS, OPEN = "holds", "does not hold", "undecided"
ONE_SEED, NOT_RUN = "undecided (one seed)", "not run"


class NotRun(Exception):
    """The study has no such cell, or no such model."""


class Undecidable(Exception):
    """The cells are there, but the comparison that the claim needs is not."""


@dataclass(frozen=True)
class Claim:
    """over: "mean" of the cases, "every" or "some" of them must exceed `margin`. unit: "points" (hundredths are shown),
    or what else the effect is shown in, as it is."""

    id: str
    source: str
    text: str
    test: str
    over: str
    cases: Callable[["World"], list[Case]]
    margin: float = 0.0
    unit: str = "points"


class World:
    """A study's results by the real models that its models stand for.

    settings: models (stands_for, label, moe), seeds, tests, checked_attributions: (model, benchmark) of the table
    v2_attribution, and cells: all (model, benchmark, method, scope) that the study builds; others are "not run".
    """

    def __init__(self, root: Path, settings: dict):
        self.root, self.settings, self.seeds = root, settings, settings["seeds"]
        self.answers = Answers(root, settings["seeds"], settings["tests"])
        self.checked = {tuple(pair) for pair in settings["checked_attributions"]}
        self.cells = {tuple(cell) for cell in settings["cells"]}

    def model(self, real: str) -> str:
        for name, model in self.settings["models"].items():
            if (model.get("stands_for") or name) == real:
                return name
        raise NotRun(f"no model stands for {real}")

    def dense(self) -> list[str]:
        """Real names of the study's dense models."""
        found = [(m.get("stands_for") or name) for name, m in self.settings["models"].items() if not m["moe"]]
        if not found:
            raise NotRun("no dense model")
        return found

    def cell(self, real: str, benchmark: str, method: str, scope: str) -> tuple[str, str, str, str]:
        cell = (self.model(real), benchmark, method, scope)
        if cell not in self.cells:
            raise NotRun(f"{labels.method_and_scope(method, scope)} on {labels.REAL.get(real, real)}, {benchmark}")
        return cell

    def score(self, cell: tuple, test: str, choice: str = "balance") -> numpy.ndarray:
        """`[seeds, questions]` at the chosen checkpoints; in the forget test the untouched model stands for a collapsed
        one."""
        values = self.answers.shown(cell, test, choice)
        broken = [entry["collapsed"] for entry in self.answers.chosen(cell, choice)]
        if test != "forget" or not any(broken):
            return values
        return numpy.where(numpy.array(broken)[:, None], self.original(cell, test), values)

    def original(self, cell: tuple, test: str) -> numpy.ndarray:
        return self.answers.original(cell[0], cell[1], test)

    def collapsed(self, *cells: tuple, choice: str = "balance") -> bool:
        """Whether a chosen checkpoint of one of the cells has collapsed, in any seed."""
        return any(entry["collapsed"] for cell in cells for entry in self.answers.chosen(cell, choice))

    def checkpoints(self, cell: tuple) -> list[dict[int, dict]]:
        """Of each seed: step -> entry of metrics.json."""
        paths = [results.cell_folder(self.root, *cell, seed) / "metrics.json" for seed in self.seeds]
        read = [results.field(read_json(path), path, "checkpoints") for path in paths]
        return [{entry["step"]: entry for entry in entries} for entries in read]

    def broken_at_the_end(self, *cells: tuple) -> bool:
        """The same of their last checkpoints, where routing and losses are read off."""
        return any(entries[max(entries)]["collapsed"] for cell in cells for entries in self.checkpoints(cell))

    def development(self, cell: tuple, test: str) -> float:
        """Score of the chosen checkpoints on the development half, mean over seeds: to pick by what is not reported."""
        found = zip(self.answers.chosen(cell), self.checkpoints(cell), strict=True)
        values = [entries[entry["step"]][test]["development"]["value"] for entry, entries in found]
        return math.fsum(values) / len(values)

    def named(self, cell: tuple) -> str:
        group = f"{self.settings['models'][cell[0]].get('label') or cell[0]} ({labels.benchmark(cell[1])})"
        return f"{labels.method_and_scope(*cell[2:])}, {group}"

    def case(self, cell: tuple, test: str, values: numpy.ndarray, collapsed: bool = False) -> Case:
        """values: `[seeds, questions]` of the cell's benchmark and test, or `[seeds]`; collapsed: whether a checkpoint
        that they come from has."""
        values = values if values.ndim == 2 else values[:, None]
        return Case(self.named(cell), cell[0], self.answers.questions(cell[1], test), values, collapsed)

    def difference(self, test: str, first: tuple, second: tuple, choice: str = "balance") -> Case:
        """Score of the first cell less that of the second."""
        for cell in (first, second) if choice == "at_forget_accuracy" else ():
            for entry in self.answers.chosen(cell, choice):
                said = "collapsed" if entry["collapsed"] else entry["status"]
                if said != "reached":  # as in the tables: only rows that reached it are compared
                    raise Undecidable(f"{self.named(cell)}, FA ≈ 0.25: {said}")
        values = self.score(first, test, choice) - self.score(second, test, choice)
        return self.case(first, test, values, self.collapsed(first, second, choice=choice))

    def loss(self, cell: tuple) -> numpy.ndarray:
        return self.original(cell, "utility") - self.score(cell, "utility")

    def trajectories(self, cell: tuple) -> list[dict]:
        return [results.read_trajectory(self.root, *cell, seed) for seed in self.seeds]

    def overlaps(self, cell: tuple, place: int = -1) -> numpy.ndarray:
        """`[seeds]`: mean overlap over MoE layers at one probe, the last one unless told."""
        found = [run["probes"][place]["overlap"].values() for run in self.trajectories(cell)]
        return numpy.array([math.fsum(values) / len(values) for values in found])

    def last_steps(self, cell: tuple) -> list[int]:
        """Each seed's last checkpoint; it must have answered the reported half."""
        found = [max(entries) for entries in self.checkpoints(cell)]
        for step, entries in zip(found, self.checkpoints(cell), strict=True):
            if REPORTED not in entries[step]["utility"]:
                raise Undecidable(f"step {step} of {self.named(cell)} did not answer the {REPORTED} half")
        return found

    def percents(self, cell: tuple) -> numpy.ndarray:
        paths = [results.cell_folder(self.root, *cell, seed) / "parameters.json" for seed in self.seeds]
        return numpy.array([results.field(read_json(path), path, "percent") for path in paths])


def judged(claim: Claim, world: World) -> dict:
    """Row of the ledger: verdict, effect, interval, and which cases it rests on."""
    row = {"id": claim.id, "source": claim.source, "claim": claim.text, "test": claim.test, "unit": claim.unit}
    row |= {"effect": None, "low": None, "high": None, "cases": 0, "of": "", "collapsed": 0}
    try:
        cases = claim.cases(world)
    except NotRun as missing:
        return row | {"verdict": NOT_RUN, "note": f"not among the study's cells: {missing}"}
    except Undecidable as reason:
        verdict = ONE_SEED if len(world.seeds) == 1 else OPEN
        return row | {"verdict": verdict, "note": str(reason)}
    drawn, means = draws(cases), numpy.array([case.mean for case in cases])
    if claim.over == "mean":
        effect, (low, high), of = float(means.mean()), interval(drawn.mean(1)), f"mean of {len(cases)}"
    else:
        worst = claim.over == "every"
        i = int(means.argmin() if worst else means.argmax())
        effect, of = float(means[i]), f"{'least' if worst else 'largest'}: {cases[i].name}"
        low, high = joint_interval(drawn, means, i)
    verdict = HOLDS if low > claim.margin else FAILS if high < claim.margin else OPEN
    if len(world.seeds) == 1:
        verdict = ONE_SEED
        if all(case.values.shape[1] == 1 for case in cases):
            low = high = None  # neither questions nor seeds to draw from
    broken = [case.name for case in cases if case.collapsed]
    row |= {"effect": effect, "low": low, "high": high, "cases": len(cases), "of": of, "collapsed": len(broken)}
    return row | {"verdict": verdict, "note": f"collapsed: {', '.join(broken)}" if broken else ""}
