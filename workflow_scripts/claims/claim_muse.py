"""The claim on MUSE-Books: on how many of its four measures the TRACE reconstruction comes first."""

import numpy

from benchmarks.scores import privacy_leakage
from claims.ledger import NotRun, World
from evidence.bootstrap import Case
from evidence.results import field
from jobs.files import read_json

BOOKS, OWN = "muse-books", ("gdiff-trace", "baseline")


def firsts(world: World) -> list[Case]:
    """Each model: measures on which no sound row without token weights is better than GDIFF with them, in each seed."""
    models = sorted(model for model, benchmark, *rest in world.cells if (benchmark, *rest) == (BOOKS, *OWN))
    if not models:
        raise NotRun("MUSE-Books")
    found = []
    for model in models:
        own = (model, BOOKS, *OWN)
        others = sorted(cell for cell in world.cells if cell[:2] == own[:2] and not cell[2].endswith("-trace"))
        theirs = [_measures(world, cell) for cell in others]
        counts = []
        for seed, ours in enumerate(_measures(world, own)):
            sound = [rows[seed] for rows in theirs if rows[seed] is not None]
            best = [min(values) for values in zip(*sound, strict=True)] or [numpy.inf] * 4
            # a collapsed run has forgotten nothing: it comes first nowhere, and stands in nobody's way
            counts.append(0 if ours is None else sum(a <= b for a, b in zip(ours, best, strict=True)))
        values = numpy.array(counts, float)[:, None]
        found.append(Case(world.named(own), model, "measures", values, world.collapsed(own, *others)))
    return found


def _measures(world: World, cell: tuple) -> list[tuple | None]:
    """Each seed's VerbMem, KnowMem of the forgotten books, KnowMem of the kept ones negated, |PrivLeak|: less is
    better; None for a collapsed checkpoint."""
    found = []
    for seed, entry in zip(world.seeds, world.answers.chosen(cell), strict=True):
        path = world.root / "retrained" / cell[0] / BOOKS / f"seed-{seed}" / "scores.json"
        extra = field(read_json(path), path, "checkpoints")[0]["extra"]
        leakage = privacy_leakage(entry["extra"]["privleak"]["value"], extra["privleak"]["test"]["value"])
        values = (entry["extra"]["verbmem"], entry["forget"], entry["utility"])
        verbatim, forget, utility = (score["value"] for score in values)
        found.append(None if entry["collapsed"] else (verbatim, forget, -utility, abs(leakage)))
    return found
