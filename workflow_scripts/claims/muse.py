"""The claim on MUSE-Books: on how many of its four measures the TRACE reconstruction comes first."""

import numpy

from benchmarks.scores import privacy_leakage
from claims.claim import Claim
from claims.study import ClaimStudy, NotRun
from evidence.bootstrap import Case

CELLS = (
    (("muse-books",), ("ga", "gdiff", "npo", "rmu"), ("baseline", "uoe")),
    (("muse-books",), ("gdiff-trace",), ("baseline",)),
)
BENCHMARK = "muse-books"
OWN = (BENCHMARK, "gdiff-trace", "baseline")


def first_places(study: ClaimStudy) -> list[Case]:
    """Each model: measures on which no sound row without token weights is better than GDIFF with them, in each seed."""
    models = sorted(model for model, *rest in study.cells if tuple(rest) == OWN)
    if not models:
        raise NotRun("MUSE-Books")
    cases = []
    for model in models:
        own = (model, *OWN)
        others = sorted(cell for cell in study.cells if cell[:2] == own[:2] and not cell[2].endswith("-trace"))
        rivals = [measures(study, cell) for cell in others]
        counts = []
        for seed, values in enumerate(measures(study, own)):
            sound = [rows[seed] for rows in rivals if rows[seed] is not None]
            best = [min(of_measure) for of_measure in zip(*sound, strict=True)] or [numpy.inf] * 4
            # a collapsed run has forgotten nothing: it comes first nowhere, and does not count as a rival
            counts.append(0 if values is None else sum(a <= b for a, b in zip(values, best, strict=True)))
        cases.append(study.case(own, "measures", numpy.array(counts, float), study.collapsed(own, *others)))
    return cases


def measures(study: ClaimStudy, cell: tuple) -> list[tuple | None]:
    """Each seed's VerbMem, KnowMem of the forgotten books, KnowMem of the kept ones negated, |PrivLeak|: less is
    better; None for a collapsed checkpoint."""
    retrained = [study.results.retrained(*cell[:2], seed) for seed in study.seeds]
    rows = []
    for entry, scores in zip(study.answers.chosen(cell), retrained, strict=True):
        auc = scores["extra"]["privleak"]["test"]["value"]
        leakage = privacy_leakage(entry["extra"]["privleak"]["value"], auc)
        verbatim, fa, ut = (score["value"] for score in (entry["extra"]["verbmem"], entry["fa"], entry["ut"]))
        rows.append(None if entry["collapsed"] else (verbatim, fa, -ut, abs(leakage)))
    return rows


CLAIMS = [
    Claim("trace-muse", "TRACE abstract", "On MUSE-Books it is best on three of four measures.",
          "measures (VerbMem, KnowMem of forgotten and of kept books, PrivLeak) on which GA, GDIFF, NPO, RMU, alone or "
          "with UOE, are not better than the reconstruction on GDIFF: > 2.5", "every", first_places, 2.5, "measures"),
]  # fmt: skip
