"""Claims on training one expert in every layer against one expert of one layer."""

import numpy

from claims.cases import DEEPSEEK, QWEN, RWKU, WMDP, shifts
from claims.claim import Claim
from claims.study import ClaimStudy
from evidence.bootstrap import Case

CELLS = (
    (("wmdp-cyber",), ("ga",), ("baseline", "uoe", "uoe-all-layers")),
    (("rwku",), ("ga",), ("uoe", "uoe-alpha-0")),
)
EVERY_LAYER = (DEEPSEEK, WMDP, "ga", "uoe-all-layers")


def first_less_last_layer(study: ClaimStudy) -> list[Case]:
    """Overlap at the end in the first MoE layer less that in the last."""
    cell = study.cell(*EVERY_LAYER)
    runs = study.trajectories(cell)
    ends = [[run["probes"][-1]["overlap"][str(run["moe_layers"][i])] for i in (0, -1)] for run in runs]
    values = numpy.array([first - last for first, last in ends])
    return [study.case(cell, "routing", values, study.collapsed_at_the_end(cell))]


def final_loss(study: ClaimStudy) -> list[Case]:
    """UT lost at the last step."""
    cell = study.cell(*EVERY_LAYER)
    values = study.original(cell, "utility") - study.answers.at(cell, study.last_steps(cell), "utility")
    return [study.case(cell, "utility", values, study.collapsed_at_the_end(cell))]


def overlap_gains(study: ClaimStudy, other: str, places: tuple) -> list[Case]:
    """Overlap at the end of GA with UOE less that with another scope."""
    cases = []
    for place in places:
        first, second = (study.cell(*place, "ga", scope) for scope in ("uoe", other))
        values = study.overlaps(first) - study.overlaps(second)
        cases.append(study.case(first, "routing", values, study.collapsed_at_the_end(first, second)))
    return cases


CLAIMS = [
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
