"""Claims on UOE against parameter-efficient fine-tuning: LoRA and ESFT (v1 Table 4)."""

from claims.cases import DEEPSEEK, MIXTRAL, QWEN, RWKU, WMDP, gains
from claims.claim import Claim
from claims.study import ClaimStudy
from evidence.bootstrap import Case

CELLS = ((("wmdp-cyber", "rwku"), ("ga",), ("uoe", "lora", "esft")),)
COLUMNS = tuple((model, benchmark) for benchmark in (WMDP, RWKU) for model in (QWEN, DEEPSEEK, MIXTRAL))


def ga_gains(study: ClaimStudy, test: str, sign: int, *others: str) -> list[Case]:
    return [case for other in others for case in gains(study, test, sign, COLUMNS, ("ga",), other)]


CLAIMS = [
    Claim("better-than-lora", "v1 section 5.2, Table 4", "UOE keeps more utility than LoRA.",
          "UT of UOE less that of LoRA (GA; 3 models, 2 benchmarks), every one > 0", "every",
          lambda study: ga_gains(study, "utility", 1, "lora")),
    Claim("better-than-esft", "v1 section 5.2, Table 4", "UOE keeps more utility than ESFT.",
          "UT of UOE less that of ESFT (GA; 3 models, 2 benchmarks), every one > 0", "every",
          lambda study: ga_gains(study, "utility", 1, "esft")),
    Claim("comparable-to-peft", "v1 section 5.2, Table 4", "At comparable forgetting.",
          "FA of LoRA, ESFT less that of UOE, mean > -5 points", "mean",
          lambda study: ga_gains(study, "forget", -1, "lora", "esft"), -0.05),
]  # fmt: skip
