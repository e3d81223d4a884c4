"""Claims on routing: which experts a topic uses, and how unlearning shifts the selection."""

import math

import numpy

from claims.cases import DEEPSEEK, QWEN, WMDP, shifts
from claims.claim import Claim
from claims.study import ClaimStudy
from evidence.bootstrap import Case

CELLS = ((("wmdp-cyber",), ("ga",), ("baseline", "uoe", "experts", "routers")),)


def long_tail(study: ClaimStudy) -> list[Case]:
    """Each MoE layer: share of all choices that fall on its 9 / 64 most used experts (rounded up)."""
    cases = []
    for real in (QWEN, DEEPSEEK):
        model = study.cell(real, WMDP, "ga", "uoe")[0]
        runs = [study.results.affinity(model, WMDP, seed) for seed in study.seeds]
        few = math.ceil(runs[0]["experts"] * 9 / 64)
        for layer in runs[0]["layers"]:
            shares = [
                sum(sorted(run["layers"][layer]["token_share"], reverse=True)[:few]) / run["top_k"] for run in runs
            ]
            cases.append(study.model_case(model, f"layer {layer}, {few} experts", shares))
    return cases


def decline(study: ClaimStudy) -> list[Case]:
    """Overlap at the first probe after the start less that at the last one."""
    cells = [study.cell(model, WMDP, "ga", "baseline") for model in (QWEN, DEEPSEEK)]
    return [
        study.case(c, "routing", study.overlaps(c, 1) - study.overlaps(c), study.collapsed_at_the_end(c)) for c in cells
    ]


def rise_of_forget_loss(study: ClaimStudy) -> list[Case]:
    """Cross-entropy (nats) of the forget text at the last probe less that at the first."""
    cases = []
    for model in (QWEN, DEEPSEEK):
        for scope in ("baseline", "experts", "routers"):
            cell = study.cell(model, WMDP, "ga", scope)
            probes = [run["probes"] for run in study.trajectories(cell)]
            values = numpy.array([of_run[-1]["forget_loss"] - of_run[0]["forget_loss"] for of_run in probes])
            cases.append(study.case(cell, "loss", values, study.collapsed_at_the_end(cell)))
    return cases


def ga_shifts(study: ClaimStudy, scope: str) -> list[Case]:
    return shifts(study, [(model, WMDP, "ga", scope) for model in (QWEN, DEEPSEEK)])


CLAIMS = [
    Claim("long-tail", "v1 section 4, insight 1", "A few experts (6 to 9 of 64) get most tokens of a topic.",
          "share of choices on the 9/64 most used experts, every MoE layer > 50 %", "every", long_tail, 0.50),
    Claim("selection-shifts", "v1 abstract, section 4, Figure 3a", "Unlearning shifts which experts are chosen.",
          "1 - overlap at the last step of GA (WMDP; Qwen, DeepSeek), every one > 10 points", "every",
          lambda study: ga_shifts(study, "baseline"), 0.10),
    Claim("steady-decline", "v1 section 4, Figure 3a", "The overlap falls steadily.",
          "overlap at the first checkpoint less that at the last, every one > 0", "every", decline),
    Claim("shifts-with-fixed-routers", "v1 section 4", "The shift persists when routers are frozen.",
          "1 - overlap at the last step when only experts train, every one > 10 points", "every",
          lambda study: ga_shifts(study, "experts"), 0.10),
    Claim("forget-loss-falls", "v1 section 4, Figure 3b", "Meanwhile the forget loss falls, whatever is trained.",
          "rise of forget text's cross-entropy from start to end (GA; all, experts, routers), every one > 0", "every",
          rise_of_forget_loss, 0.0, "nats"),
]  # fmt: skip
