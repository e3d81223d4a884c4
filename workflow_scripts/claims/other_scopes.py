"""Claims on UOE against other scopes: how many parameters train (v1 Table 3), parameter-efficient fine-tuning (v1 Table
4), several experts of one layer or of several layers (v1 Table 5, v2 Table 2)."""

from claims.cases import DEEPSEEK, MIXTRAL, QWEN, RWKU, WMDP, Claim, at_forget_accuracy, gains
from claims.study import Case, ClaimStudy

CELLS = (
    (("wmdp-cyber", "rwku"), ("ga",), ("uoe", "lora", "esft")),
    (("wmdp-cyber",), ("ga",), ("uoe-3-experts", "uoe-6-experts", "uoe-3-layers")),
)
COLUMN = (DEEPSEEK, WMDP)
COLUMNS = tuple((model, benchmark) for benchmark in (WMDP, RWKU) for model in (QWEN, DEEPSEEK, MIXTRAL))


def shares(study: ClaimStudy, others: tuple[str | None, ...]) -> list[Case]:
    """Percent of parameters that another scope trains less those of UOE; with None UOE's own, negated."""
    cases = []
    for model in (QWEN, DEEPSEEK, MIXTRAL):
        own = study.cell(model, WMDP, "ga", "uoe")
        for other in others:
            percent = study.percents(study.cell(model, WMDP, "ga", other)) if other else 0.0
            cases.append(study.case(own, percent - study.percents(own)))
    return cases


def ga_gains(study: ClaimStudy, quantity: str, sign: int, *others: str) -> list[Case]:
    return [case for other in others for case in gains(study, quantity, sign, COLUMNS, ("ga",), other)]


CLAIMS = [
    Claim("share-006", "v1 abstract, Table 3", "Only 0.06 % of the parameters are unlearned.",
          "percent of parameters that UOE trains, negated, every model > -0.065", "every",
          lambda study: shares(study, (None,)), -0.065, "%"),
    Claim("fewer-parameters", "v1 section 5.2, Table 3", "UOE trains fewer parameters than LoRA and ESFT.",
          "percent trained by LoRA, ESFT less that by UOE, every one > 0", "every",
          lambda study: shares(study, ("lora", "esft")), 0.0, "%"),
    Claim("better-than-lora", "v1 section 5.2, Table 4", "UOE keeps more utility than LoRA.",
          "UT of UOE less that of LoRA (GA; 3 models, 2 benchmarks), every one > 0", "every",
          lambda study: ga_gains(study, "ut", 1, "lora")),
    Claim("better-than-esft", "v1 section 5.2, Table 4", "UOE keeps more utility than ESFT.",
          "UT of UOE less that of ESFT (GA; 3 models, 2 benchmarks), every one > 0", "every",
          lambda study: ga_gains(study, "ut", 1, "esft")),
    Claim("comparable-to-peft", "v1 section 5.2, Table 4", "At comparable forgetting.",
          "FA of LoRA, ESFT less that of UOE, mean > -5 points", "mean",
          lambda study: ga_gains(study, "fa", -1, "lora", "esft"), -0.05),
    Claim("more-experts-cost", "v1 section 5.2, Table 5", "More experts of a layer cost utility at equal forgetting.",
          "UT at FA ≈ 0.25, one expert less 3 and less 6 (DeepSeek, WMDP, GA), every one > 0", "every",
          lambda study: at_forget_accuracy(study, COLUMN, "uoe", ("uoe-3-experts", "uoe-6-experts"))),
    Claim("across-layers-worse", "v2 Table 2", "Experts in several layers cost more than as many in one (DeepSeek).",
          "UT at FA ≈ 0.25, 3 experts of one layer less 3 layers' (DeepSeek, WMDP, GA) > 0", "every",
          lambda study: at_forget_accuracy(study, COLUMN, "uoe-3-experts", ("uoe-3-layers",))),
]  # fmt: skip
