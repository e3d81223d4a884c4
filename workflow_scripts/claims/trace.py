"""Claims of TRACE, tested with the reconstructed token weights on WMDP."""

import numpy

from claims.cases import DEEPSEEK, QWEN, WMDP, signed
from claims.claim import Claim
from claims.study import ClaimStudy
from evidence.bootstrap import Case
from planning import layout

CELLS = ((("wmdp-cyber",), ("gdiff-trace", "npo-trace", "rmu-trace", "gdiff", "npo", "rmu"), ("baseline", "uoe")),)
VARIANTS = [(method, scope) for method in ("gdiff", "npo", "rmu") for scope in ("baseline", "uoe")]


def mismatch(study: ClaimStudy) -> list[Case]:
    """Largest difference of an expert's shares of forget and of retain tokens, from the token weights' record."""
    cases = []
    for real in (QWEN, DEEPSEEK):
        cell = study.cell(real, WMDP, "gdiff-trace", "baseline")
        records = study.values(layout.TOKEN_WEIGHTS_RECORD, cell, "experts", name="trace")
        largest = [max((e["forget"] - e["retain"] for e in experts), default=0.0) for experts in records]
        cases.append(study.case(cell, "routing", numpy.array(largest)))
    return cases


def gain_over_best(study: ClaimStudy) -> list[Case]:
    """UT of the TRACE reconstruction (GDIFF, all parameters) less 1.09 times that of the other row with a retain loss
    that keeps most utility on the development half."""
    cases = []
    for model in (QWEN, DEEPSEEK):
        own = study.cell(model, WMDP, "gdiff-trace", "baseline")
        others = [study.cell(model, WMDP, *variant) for variant in VARIANTS]
        best = max(others, key=lambda cell: study.development(cell, "utility"))
        values = study.score(own, "utility") - 1.09 * study.score(best, "utility")
        cases.append(study.case(own, "utility", values, study.collapsed(own, best)))
    return cases


def with_less_without(study: ClaimStudy, test: str, sign: int) -> list[Case]:
    """Each method and scope: sign x (score with the token weights less that without)."""
    cases = []
    for model in (QWEN, DEEPSEEK):
        for method, scope in VARIANTS:
            own, other = (study.cell(model, WMDP, name, scope) for name in (f"{method}-trace", method))
            cases.append(signed(study.difference(test, own, other), sign))
    return cases


CLAIMS = [
    Claim("trace-mismatch", "TRACE abstract", "Some experts are used far more by forget text than by retain text.",
          "largest share of forget tokens less share of retain tokens (WMDP), every one > 10 points", "every",
          mismatch, 0.10),
    Claim("trace-improves", "TRACE abstract", "TRACE improves the trade-off: utility.",
          "UT with the reconstructed token weights less without (GDIFF, NPO, RMU; alone, with UOE; WMDP), mean > 0",
          "mean", lambda study: with_less_without(study, "utility", 1)),
    Claim("trace-forgets", "TRACE abstract", "At comparable forgetting.",
          "FA without the reconstructed token weights less with, mean > -5 points", "mean",
          lambda study: with_less_without(study, "forget", -1), -0.05),
    Claim("trace-9", "TRACE abstract", "Utility is 9 % above that of the strongest baseline.",
          "UT of the reconstruction on GDIFF less 1.09 x that of GDIFF, NPO, RMU, alone or with UOE, whichever keeps "
          "most on the development half, mean > 0", "mean", gain_over_best),
]  # fmt: skip
