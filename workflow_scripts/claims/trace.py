"""Claims of TRACE, tested with the reconstructed token weights on WMDP and on MUSE-Books."""

import math

from benchmarks.scores import privacy_leakage
from claims.cases import DEEPSEEK, KEEP, QWEN, WMDP, Claim, signed
from claims.curves import kept
from claims.study import Case, ClaimStudy, NotRun
from planning import layout

CELLS = (
    (("wmdp-cyber",), ("gdiff-trace", "npo-trace", "rmu-trace", "gdiff", "npo", "rmu"), ("baseline", "uoe")),
    (("muse-books",), ("ga", "gdiff", "npo", "rmu"), ("baseline", "uoe")),
    (("muse-books",), ("gdiff-trace",), ("baseline",)),
)
VARIANTS = [(method, scope) for method in ("gdiff", "npo", "rmu") for scope in ("baseline", "uoe")]
ON_MUSE = ("muse-books", "gdiff-trace", "baseline")


def mismatch(study: ClaimStudy) -> list[Case]:
    """Largest difference of an expert's shares of forget and of retain tokens, from the token weights' record."""
    cases = []
    for real in (QWEN, DEEPSEEK):
        cell = study.cell(real, WMDP, "gdiff-trace", "baseline")
        records = study.results.of_seeds(layout.TOKEN_WEIGHTS_RECORD, cell, "experts", name="trace")
        largest = [max((e["forget"] - e["retain"] for e in experts), default=0.0) for experts in records]
        cases.append(study.case(cell, study.per_seed(largest)))
    return cases


def gain_over_best(study: ClaimStudy) -> list[Case]:
    """UT of the TRACE reconstruction (GDIFF, all parameters) less 1.09 times that of the other row with a retain loss
    that keeps most utility, mean over seeds."""
    cases = []
    for model in (QWEN, DEEPSEEK):
        own = study.cell(model, WMDP, "gdiff-trace", "baseline")
        others = [study.cell(model, WMDP, *variant) for variant in VARIANTS]
        best = max(others, key=lambda cell: study.answers.shown(cell, "ut").mean)
        values = study.answers.shown(own, "ut") - 1.09 * study.answers.shown(best, "ut")
        cases.append(study.case(own, values, study.collapsed(own, best)))
    return cases


def with_and_without(study: ClaimStudy) -> list[tuple[tuple, tuple]]:
    """Each model, method and scope: the cell with the token weights, and that without."""
    return [
        tuple(study.cell(model, WMDP, name, scope) for name in (f"{method}-trace", method))
        for model in (QWEN, DEEPSEEK)
        for method, scope in VARIANTS
    ]


def first_places(study: ClaimStudy) -> list[Case]:
    """Each model: measures on which no sound row without token weights is better than GDIFF with them, in each seed."""
    models = sorted(model for model, *rest in study.cells if tuple(rest) == ON_MUSE)
    if not models:
        raise NotRun("MUSE-Books")
    cases = []
    for model in models:
        own = (model, *ON_MUSE)
        others = sorted(cell for cell in study.cells if cell[:2] == own[:2] and not cell[2].endswith("-trace"))
        rivals = [measures(study, cell) for cell in others]
        counts = []
        for seed, values in enumerate(measures(study, own)):
            sound = [rows[seed] for rows in rivals if rows[seed] is not None]
            best = [min(of_measure) for of_measure in zip(*sound, strict=True)] or [math.inf] * 4
            # a collapsed run has forgotten nothing: it comes first nowhere, and does not count as a rival
            counts.append(0 if values is None else sum(a <= b for a, b in zip(values, best, strict=True)))
        cases.append(study.case(own, study.per_seed(counts), study.collapsed(own, *others)))
    return cases


def measures(study: ClaimStudy, cell: tuple) -> list[tuple | None]:
    """Each seed's VerbMem, KnowMem of the forgotten books, KnowMem of the kept ones negated, |PrivLeak|: less is
    better; None for a collapsed checkpoint."""
    retrained = [study.results.retrained(*cell[:2], seed) for seed in study.seeds]
    rows = []
    for entry, scores in zip(study.chosen(cell), retrained, strict=True):
        auc = scores["extra"]["privleak"]["test"]["value"]
        leakage = privacy_leakage(entry["extra"]["privleak"]["value"], auc)
        verbatim, fa, ut = (score["value"] for score in (entry["extra"]["verbmem"], entry["fa"], entry["ut"]))
        rows.append(None if entry["collapsed"] else (verbatim, fa, -ut, abs(leakage)))
    return rows


CLAIMS = [
    Claim("trace-mismatch", "TRACE abstract", "Some experts are used far more by forget text than by retain text.",
          "largest share of forget tokens less share of retain tokens (WMDP), every one > 10 points", "every",
          mismatch, 0.10),
    Claim("trace-improves", "TRACE abstract", "TRACE improves the trade-off: utility.",
          "kept utility with the reconstructed token weights less without (GDIFF, NPO, RMU; alone, with UOE; WMDP), "
          "mean > 0", "mean", lambda study: kept(study, with_and_without(study)), equivalence=KEEP),
    Claim("trace-forgets", "TRACE abstract", "At comparable forgetting.",
          "FA without the reconstructed token weights less with, mean > -5 points", "mean",
          lambda study: [signed(study.difference("fa", *cells), -1) for cells in with_and_without(study)], -0.05),
    Claim("trace-9", "TRACE abstract", "Utility is 9 % above that of the strongest baseline.",
          "UT of the reconstruction on GDIFF less 1.09 x that of GDIFF, NPO, RMU, alone or with UOE, whichever keeps "
          "most (mean over seeds), mean > 0", "mean", gain_over_best),
    Claim("trace-muse", "TRACE abstract", "On MUSE-Books it is best on three of four measures.",
          "measures (VerbMem, KnowMem of forgotten and of kept books, PrivLeak) on which GA, GDIFF, NPO, RMU, alone or "
          "with UOE, are not better than the reconstruction on GDIFF: > 2.5", "every", first_places, 2.5, "measures"),
]  # fmt: skip
