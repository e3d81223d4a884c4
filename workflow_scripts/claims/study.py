"""A study's results as the claims ask for them: by the real models that the study's models stand for."""

from pathlib import Path
from statistics import fmean

import numpy

from evidence.answers import REPORTED, Answers
from evidence.bootstrap import Case
from evidence.study import Study
from planning import layout
from rendering import labels


class NotRun(Exception):
    """The study has no such cell, or no such model."""


class Undecidable(Exception):
    """The cells are there, but the comparison that the claim needs is not."""


class ClaimStudy:
    """settings: as planning.claims.settings makes them. Cells that are not among them were not run. Every seed of the
    study takes part. A checkpoint that has collapsed has forgotten nothing: in its forget test the untouched model's
    answers stand for its own."""

    def __init__(self, root: Path, settings: dict):
        self.settings, self.seeds = settings, settings["seeds"]
        self.results = Study(root, settings)
        self.answers = Answers(self.results)
        self.cells = {tuple(cell) for cell in settings["cells"]}

    def model(self, real: str) -> str:
        for name, model in self.settings["models"].items():
            if (model.get("stands_for") or name) == real:
                return name
        raise NotRun(f"no model stands for {real}")

    def label(self, model: str) -> str:
        return self.settings["models"][model].get("label") or model

    def dense(self) -> list[str]:
        """Real names of the study's dense models."""
        if names := [(m.get("stands_for") or name) for name, m in self.settings["models"].items() if not m["moe"]]:
            return names
        raise NotRun("no dense model")

    def cell(self, real: str, benchmark: str, method: str, scope: str) -> tuple[str, str, str, str]:
        cell = (self.model(real), benchmark, method, scope)
        if cell not in self.cells:
            raise NotRun(f"{labels.method_and_scope(method, scope)} on {labels.REAL.get(real, real)}, {benchmark}")
        return cell

    def cell_name(self, cell: tuple) -> str:
        return f"{labels.method_and_scope(*cell[2:])}, {self.label(cell[0])} ({labels.benchmark(cell[1])})"

    def score(self, cell: tuple, test: str, choice: str = "balance") -> numpy.ndarray:
        """`[seeds, questions]` at the chosen checkpoints."""
        values = self.answers.shown(cell, test, choice)
        collapsed = [entry["collapsed"] for entry in self.answers.chosen(cell, choice)]
        if test != "forget" or not any(collapsed):
            return values
        return numpy.where(numpy.array(collapsed)[:, None], self.original(cell, test), values)

    def original(self, cell: tuple, test: str) -> numpy.ndarray:
        return self.answers.original(cell[0], cell[1], test)

    def loss(self, cell: tuple) -> numpy.ndarray:
        return self.original(cell, "utility") - self.score(cell, "utility")

    def collapsed(self, *cells: tuple, choice: str = "balance") -> bool:
        """Whether a chosen checkpoint of one of the cells has collapsed, in any seed."""
        return any(entry["collapsed"] for cell in cells for entry in self.answers.chosen(cell, choice))

    def checkpoints(self, cell: tuple) -> list[dict[int, dict]]:
        """Of each seed: step -> entry of metrics.json."""
        return [{entry["step"]: entry for entry in self.results.metrics(cell, seed)} for seed in self.seeds]

    def collapsed_at_the_end(self, *cells: tuple) -> bool:
        """Whether a last checkpoint, where routing and losses are read off, has collapsed."""
        return any(entries[max(entries)]["collapsed"] for cell in cells for entries in self.checkpoints(cell))

    def last_steps(self, cell: tuple) -> list[int]:
        """Each seed's last checkpoint; it must have answered the reported half."""
        checkpoints = self.checkpoints(cell)
        steps = [max(entries) for entries in checkpoints]
        for step, entries in zip(steps, checkpoints, strict=True):
            if REPORTED not in entries[step]["utility"]:
                raise Undecidable(f"step {step} of {self.cell_name(cell)} did not answer the {REPORTED} half")
        return steps

    def development(self, cell: tuple, test: str) -> float:
        """Score of the chosen checkpoints on the development half, mean over seeds: for choices between cells, which
        must not rest on what is reported."""
        pairs = zip(self.answers.chosen(cell), self.checkpoints(cell), strict=True)
        return fmean(entries[entry["step"]][test]["development"]["value"] for entry, entries in pairs)

    def trajectories(self, cell: tuple) -> list[dict]:
        return [self.results.trajectory(cell, seed) for seed in self.seeds]

    def overlaps(self, cell: tuple, probe: int = -1) -> numpy.ndarray:
        """`[seeds]`: mean overlap over MoE layers at one probe, by default the last one."""
        return numpy.array([fmean(run["probes"][probe]["overlap"].values()) for run in self.trajectories(cell)])

    def percents(self, cell: tuple) -> numpy.ndarray:
        """`[seeds]`: percent of the parameters that train."""
        return numpy.array(self.results.of_seeds(layout.PARAMETERS, cell, "percent"))

    def case(self, cell: tuple, test: str, values: numpy.ndarray, collapsed: bool = False) -> Case:
        """values: `[seeds, questions]` of the cell's benchmark and test, or `[seeds]`; collapsed: whether a checkpoint
        that they come from has."""
        values = values if values.ndim == 2 else values[:, None]
        return Case(self.cell_name(cell), cell[0], self.answers.questions(cell[1], test), values, collapsed)

    def model_case(self, model: str, detail: str, values: list[float]) -> Case:
        """A value of each seed that belongs to a model and no cell, such as an attribution's."""
        return Case(f"{self.label(model)}, {detail}", model, "routing", numpy.array(values)[:, None])

    def difference(self, test: str, first: tuple, second: tuple, choice: str = "balance") -> Case:
        """Score of the first cell less that of the second."""
        for cell in (first, second) if choice == "at_forget_accuracy" else ():
            for entry in self.answers.chosen(cell, choice):
                status = "collapsed" if entry["collapsed"] else entry["status"]
                if status != "reached":  # as in the tables: only rows that reached it are compared
                    raise Undecidable(f"{self.cell_name(cell)}, FA ≈ 0.25: {status}")
        values = self.score(first, test, choice) - self.score(second, test, choice)
        return self.case(first, test, values, self.collapsed(first, second, choice=choice))
