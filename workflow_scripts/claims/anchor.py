"""Claims on the strength of the anchor loss (v1 Table 10)."""

from claims.cases import DEEPSEEK, RWKU, signed
from claims.claim import Claim
from claims.study import ClaimStudy
from evidence.bootstrap import Case

CELLS = ((("rwku",), ("ga",), ("uoe", "uoe-alpha-0", "uoe-alpha-100", "uoe-alpha-1000")),)


def alpha_1_less_others(study: ClaimStudy, sign: int) -> list[Case]:
    """sign x (UT with alpha = 1 less that with another)."""
    own, cases = study.cell(DEEPSEEK, RWKU, "ga", "uoe"), []
    for other in ("uoe-alpha-0", "uoe-alpha-100", "uoe-alpha-1000"):
        case = study.difference("utility", own, study.cell(DEEPSEEK, RWKU, "ga", other))
        cases.append(signed(case, sign, f"{case.name} against {other}"))
    return cases


CLAIMS = [
    Claim("robust-to-alpha", "v1 appendix D, Table 10", "UOE is robust to the anchor's strength.",
          "UT with alpha 0, 100, 1000 less that with 1 (DeepSeek, RWKU, GA), every one > -2 points", "every",
          lambda study: alpha_1_less_others(study, -1), -0.02),
    Claim("alpha-1-best", "v1 appendix D, Table 10", "alpha = 1 is best.",
          "UT with alpha = 1 less that with 0, 100, 1000, every one > 0", "every",
          lambda study: alpha_1_less_others(study, 1)),
]  # fmt: skip
