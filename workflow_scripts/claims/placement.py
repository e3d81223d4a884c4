"""Claims on how many experts train, and whether in one layer or in several (v1 Table 5, v2 Table 2)."""

from claims.cases import DEEPSEEK, WMDP, at_forget_accuracy
from claims.claim import Claim

CELLS = ((("wmdp-cyber",), ("ga",), ("uoe", "uoe-3-experts", "uoe-6-experts", "uoe-3-layers")),)
COLUMN = (DEEPSEEK, WMDP)

CLAIMS = [
    Claim("more-experts-cost", "v1 section 5.2, Table 5", "More experts of a layer cost utility at equal forgetting.",
          "UT at FA ≈ 0.25, one expert less 3 and less 6 (DeepSeek, WMDP, GA), every one > 0", "every",
          lambda study: at_forget_accuracy(study, COLUMN, "uoe", ("uoe-3-experts", "uoe-6-experts"))),
    Claim("across-layers-worse", "v2 Table 2", "Experts in several layers cost more than as many in one (DeepSeek).",
          "UT at FA ≈ 0.25, 3 experts of one layer less 3 layers' (DeepSeek, WMDP, GA) > 0", "every",
          lambda study: at_forget_accuracy(study, COLUMN, "uoe-3-experts", ("uoe-3-layers",))),
]  # fmt: skip
