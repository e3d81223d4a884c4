"""Claims on how many parameters UOE trains."""

from claims.cases import DEEPSEEK, MIXTRAL, QWEN, WMDP
from claims.claim import Claim
from claims.study import ClaimStudy
from evidence.bootstrap import Case

CELLS = ((("wmdp-cyber",), ("ga",), ("uoe", "lora", "esft")),)


def shares(study: ClaimStudy, others: tuple[str | None, ...]) -> list[Case]:
    """Percent of parameters that another scope trains less those of UOE; with None UOE's own, negated."""
    cases = []
    for model in (QWEN, DEEPSEEK, MIXTRAL):
        own = study.cell(model, WMDP, "ga", "uoe")
        for other in others:
            percent = study.percents(study.cell(model, WMDP, "ga", other)) if other else 0.0
            cases.append(study.case(own, "parameters", percent - study.percents(own)))
    return cases


CLAIMS = [
    Claim("share-006", "v1 abstract, Table 3", "Only 0.06 % of the parameters are unlearned.",
          "percent of parameters that UOE trains, negated, every model > -0.065", "every",
          lambda study: shares(study, (None,)), -0.065, "%"),
    Claim("fewer-parameters", "v1 section 5.2, Table 3", "UOE trains fewer parameters than LoRA and ESFT.",
          "percent trained by LoRA, ESFT less that by UOE, every one > 0", "every",
          lambda study: shares(study, ("lora", "esft")), 0.0, "%"),
]  # fmt: skip
