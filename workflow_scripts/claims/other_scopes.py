"""Claims on UOE against other scopes: how many parameters train (v1 Table 3), parameter-efficient fine-tuning (v1 Table
4), several experts of one layer or of several layers (v1 Table 5, v2 Table 2)."""

from claims.cases import ARITHMETIC, DEEPSEEK, KEEP, MIXTRAL, QWEN, RWKU, WMDP, Claim, gains, pairs
from claims.curves import kept
from claims.study import Case, ClaimStudy

CELLS = (
    (("wmdp-cyber", "rwku"), ("ga",), ("uoe", "lora", "esft")),
    (("wmdp-cyber",), ("ga",), ("uoe-3-experts", "uoe-6-experts", "uoe-3-layers")),
)
COLUMN = (DEEPSEEK, WMDP, "ga")
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


def kept_more_than(other: str):
    """Kept utility of UOE less that of another scope."""
    return lambda study: kept(study, pairs(study, COLUMNS, ("ga",), other))


def forgotten_less(study: ClaimStudy) -> list[Case]:
    return [case for other in ("lora", "esft") for case in gains(study, "fa", -1, COLUMNS, ("ga",), other)]


def kept_of(first: str, *others: str):
    """Kept utility of one scope less that of others, in one column."""
    return lambda study: kept(study, [(study.cell(*COLUMN, first), study.cell(*COLUMN, other)) for other in others])


CLAIMS = [
    Claim("share-006", "v1 abstract, Table 3", "Only 0.06 % of the parameters are unlearned.",
          "percent of parameters that UOE trains, negated, every model > -0.065", "every",
          lambda study: shares(study, (None,)), -0.065, "%", kind=ARITHMETIC),
    Claim("fewer-parameters", "v1 section 5.2, Table 3", "UOE trains fewer parameters than LoRA and ESFT.",
          "percent trained by LoRA, ESFT less that by UOE, every one > 0", "every",
          lambda study: shares(study, ("lora", "esft")), 0.0, "%", kind=ARITHMETIC),
    Claim("better-than-lora", "v1 section 5.2, Table 4", "UOE keeps more utility than LoRA.",
          "kept utility of UOE less that of LoRA (GA; 3 models, 2 benchmarks), every pair compared > 0", "every",
          kept_more_than("lora"), equivalence=KEEP),
    Claim("better-than-lora-on-average", "v1 section 5.2, Table 4", "UOE keeps more utility than LoRA on average.",
          "the same, mean > 0", "mean", kept_more_than("lora"), equivalence=KEEP),
    Claim("better-than-esft", "v1 section 5.2, Table 4", "UOE keeps more utility than ESFT.",
          "kept utility of UOE less that of ESFT (GA; 3 models, 2 benchmarks), every pair compared > 0", "every",
          kept_more_than("esft"), equivalence=KEEP),
    Claim("better-than-esft-on-average", "v1 section 5.2, Table 4", "UOE keeps more utility than ESFT on average.",
          "the same, mean > 0", "mean", kept_more_than("esft"), equivalence=KEEP),
    Claim("comparable-to-peft", "v1 section 5.2, Table 4", "At comparable forgetting.",
          "FA of LoRA, ESFT less that of UOE at the checkpoints of Table 4, mean > -5 points", "mean", forgotten_less,
          -0.05),
    Claim("more-experts-cost", "v1 section 5.2, Table 5", "More experts of a layer cost utility at equal forgetting.",
          "kept utility, one expert less 3 and less 6 (DeepSeek, WMDP, GA), every pair compared > 0", "every",
          kept_of("uoe", "uoe-3-experts", "uoe-6-experts"), equivalence=KEEP),
    Claim("across-layers-worse", "v2 Table 2", "Experts in several layers cost more than as many in one (DeepSeek).",
          "kept utility, 3 experts of one layer less 3 layers' (DeepSeek, WMDP, GA) > 0", "every",
          kept_of("uoe-3-experts", "uoe-3-layers"), equivalence=KEEP),
]  # fmt: skip
