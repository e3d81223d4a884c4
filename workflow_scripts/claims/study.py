"""A study's results as the claims ask for them: by the real models that the study's models stand for."""

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy

from evidence import attacks
from evidence.answers import Answers
from evidence.intervals import PerSeed
from evidence.study import Study
from planning import layout
from rendering import labels


class NotRun(Exception):
    """The study has no such cell, or no such model."""


@dataclass(frozen=True)
class Case:
    """One effect of a claim, a number a seed. collapsed: whether a checkpoint that it comes from has, in any seed.
    span: of two runs compared over what both reached, the length of Left, mean over seeds. values is None where there
    is nothing to compare; `why` says so."""

    name: str
    values: PerSeed | None
    collapsed: bool = False
    span: float | None = None
    why: str = ""


class ClaimStudy:
    """settings: as planning.claims.settings makes them. Cells that are not among them were not run. Every seed of the
    study takes part."""

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

    def chosen(self, cell: tuple) -> list[dict]:
        """Each seed's checkpoint that the tables show."""
        return [self.results.chosen(cell, seed, "balance") for seed in self.seeds]

    def per_seed(self, values: list[float]) -> PerSeed:
        """Values that are no means over questions."""
        return PerSeed(numpy.array(values, float))

    def loss(self, cell: tuple) -> PerSeed:
        return self.answers.original(cell, "ut") - self.answers.shown(cell, "ut")

    def collapsed(self, *cells: tuple) -> bool:
        """Whether a chosen checkpoint of one of the cells has collapsed, in any seed."""
        return any(entry["collapsed"] for cell in cells for entry in self.chosen(cell))

    def checkpoints(self, cell: tuple) -> list[dict[int, dict]]:
        """Of each seed: step -> entry of metrics.json."""
        return [{entry["step"]: entry for entry in self.results.metrics(cell, seed)} for seed in self.seeds]

    def last_common_steps(self, *cells: tuple) -> list[int]:
        """Each seed's last step that was scored in all of the cells: a run that has forgotten is scored no further."""
        every = zip(*(self.checkpoints(cell) for cell in cells), strict=True)
        return [max(set.intersection(*map(set, entries))) for entries in every]

    def collapsed_at_the_end(self, *cells: tuple) -> bool:
        return any(entries[max(entries)]["collapsed"] for cell in cells for entries in self.checkpoints(cell))

    def trajectories(self, cell: tuple) -> list[dict]:
        return [self.results.trajectory(cell, seed) for seed in self.seeds]

    def overlaps(self, cell: tuple, probe: int = -1) -> PerSeed:
        """Mean overlap over MoE layers at one probe, by default the last one."""
        return self.per_seed([fmean(run["probes"][probe]["overlap"].values()) for run in self.trajectories(cell)])

    def percents(self, cell: tuple) -> PerSeed:
        """Percent of the parameters that train."""
        return self.per_seed(self.results.of_seeds(layout.PARAMETERS, cell, "percent"))

    def case(self, cell: tuple, values: PerSeed, collapsed: bool = False) -> Case:
        return Case(self.cell_name(cell), values, collapsed)

    def model_case(self, model: str, detail: str, values: list[float]) -> Case:
        """A value of each seed that belongs to a model and no cell, such as an attribution's."""
        return Case(f"{self.label(model)}, {detail}", self.per_seed(values))

    def difference(self, quantity: str, first: tuple, second: tuple) -> Case:
        """Score of the first cell less that of the second, at the checkpoints that the tables show."""
        values = self.answers.shown(first, quantity) - self.answers.shown(second, quantity)
        return self.case(first, values, self.collapsed(first, second))

    def attacked(self, cell: tuple, attack: str) -> list[dict]:
        """Each seed's result of an attack on a cell."""
        self.check_attacked(cell, attack)
        return attacks.results(self.results, cell, attack)

    def relearned(self, cell: tuple, attack: str) -> list[dict[int, float]]:
        """Of each seed: steps of an attack by fine-tuning -> FA. cell: or (model, benchmark), the retrained model."""
        self.check_attacked(cell, attack)
        return attacks.curves(self.results, cell, attack)

    def check_attacked(self, cell: tuple, attack: str) -> None:
        if [attack, *cell] not in self.settings["attacks"]:
            raise NotRun(f"attack {attack} on {self.cell_name(cell) if len(cell) > 2 else 'the retrained model'}")
