"""Claims on routing: which experts a topic uses, how unlearning shifts the selection, and what one expert in every
layer does against one expert of one layer."""

import math

from claims.cases import DEEPSEEK, QWEN, RWKU, WMDP, Claim, shifts
from claims.study import Case, ClaimStudy

CELLS = (
    (("wmdp-cyber",), ("ga",), ("baseline", "uoe", "uoe-all-layers", "experts", "routers")),
    (("rwku",), ("ga",), ("uoe", "uoe-alpha-0")),
)
EVERY_LAYER = (DEEPSEEK, WMDP, "ga", "uoe-all-layers")


def long_tail(study: ClaimStudy) -> list[Case]:
    """Each MoE layer: share of all choices that fall on its 9 / 64 most used experts (rounded up)."""
    cases = []
    for real in (QWEN, DEEPSEEK):
        model = study.cell(real, WMDP, "ga", "uoe")[0]
        runs = [study.results.affinity(model, WMDP, seed) for seed in study.seeds]
        few = math.ceil(runs[0]["experts"] * 9 / 64)
        for layer in runs[0]["layers"]:
            sorted_shares = [sorted(run["layers"][layer]["token_share"], reverse=True) for run in runs]
            shares = [sum(of_run[:few]) / runs[0]["top_k"] for of_run in sorted_shares]
            cases.append(study.model_case(model, f"layer {layer}, {few} experts", shares))
    return cases


def decline(study: ClaimStudy) -> list[Case]:
    """Overlap at the first probe after the start less that at the last one."""
    cells = [study.cell(model, WMDP, "ga", "baseline") for model in (QWEN, DEEPSEEK)]
    return [study.case(c, study.overlaps(c, 1) - study.overlaps(c), study.collapsed_at_the_end(c)) for c in cells]


def rise_of_forget_loss(study: ClaimStudy) -> list[Case]:
    """Cross-entropy (nats) of the forget text at the last probe less that at the first."""
    cases = []
    for model in (QWEN, DEEPSEEK):
        for scope in ("baseline", "experts", "routers"):
            cell = study.cell(model, WMDP, "ga", scope)
            probes = [run["probes"] for run in study.trajectories(cell)]
            values = study.per_seed([of_run[-1]["forget_loss"] - of_run[0]["forget_loss"] for of_run in probes])
            cases.append(study.case(cell, values, study.collapsed_at_the_end(cell)))
    return cases


def ga_shifts(study: ClaimStudy, scope: str) -> list[Case]:
    return shifts(study, [(model, WMDP, "ga", scope) for model in (QWEN, DEEPSEEK)])


def first_less_last_layer(study: ClaimStudy) -> list[Case]:
    """Overlap at the end in the first MoE layer less that in the last."""
    cell = study.cell(*EVERY_LAYER)
    runs = study.trajectories(cell)
    ends = [[run["probes"][-1]["overlap"][str(run["moe_layers"][i])] for i in (0, -1)] for run in runs]
    values = study.per_seed([first - last for first, last in ends])
    return [study.case(cell, values, study.collapsed_at_the_end(cell))]


def final_loss(study: ClaimStudy) -> list[Case]:
    cell = study.cell(*EVERY_LAYER)
    values = study.answers.original(cell, "ut") - study.answers.at(cell, study.last_steps(cell), "ut")
    return [study.case(cell, values, study.collapsed_at_the_end(cell))]


def overlap_gains(study: ClaimStudy, other: str, places: tuple) -> list[Case]:
    """Overlap at the end of GA with UOE less that with another scope."""
    cases = []
    for place in places:
        first, second = (study.cell(*place, "ga", scope) for scope in ("uoe", other))
        values = study.overlaps(first) - study.overlaps(second)
        cases.append(study.case(first, values, study.collapsed_at_the_end(first, second)))
    return cases


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
    Claim("every-layer-shifts", "v1 section 4, Figures 4 and 5", "One expert in every layer, anchored, still shifts.",
          "1 - overlap at the last step > 10 points", "every", lambda study: shifts(study, [EVERY_LAYER]), 0.10),
    Claim("deeper-shifts-more", "v1 section 4, Figure 4", "Small shifts early become large ones in deeper layers.",
          "overlap in the first MoE layer less that in the last (one expert in every layer) > 0", "every",
          first_less_last_layer),
    Claim("every-layer-costs", "v1 section 4", "One expert in every layer costs over 30 points of utility.",
          "UT lost at the last step > 30 points", "every", final_loss, 0.30),
    Claim("one-layer-keeps-routing", "v1 abstract, section 4",
          "One expert of one layer keeps the selection stable.",
          "overlap at the last step, UOE less all parameters (GA), every one > 0", "every",
          lambda study: overlap_gains(study, "baseline", ((QWEN, WMDP), (DEEPSEEK, WMDP)))),
    Claim("anchor-keeps-routing", "v1 section 4", "The anchor loss stabilises the selected expert.",
          "overlap at the last step, alpha = 1 less alpha = 0 (DeepSeek, RWKU, GA) > 0", "every",
          lambda study: overlap_gains(study, "uoe-alpha-0", ((DEEPSEEK, RWKU),))),
]  # fmt: skip
