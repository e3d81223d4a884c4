"""Claims on routing: which experts a topic uses, how unlearning shifts the selection, and what one expert in every
layer does against one expert of one layer."""

import math

from claims.cases import DEEPSEEK, KEEP, OVERLAP, QWEN, RWKU, WMDP, Claim, signed
from claims.curves import kept, overlap_gains, where_left_falls
from claims.study import Case, ClaimStudy
from evidence.curves import overlap_at_left

CELLS = (
    (("wmdp-cyber",), ("ga",), ("baseline", "uoe", "uoe-all-layers", "uoe-all-layers-alpha-0", "experts", "routers")),
    (("rwku",), ("ga",), ("uoe", "uoe-alpha-1000")),
)
BOTH = (QWEN, DEEPSEEK)
CONTROL, EVERY_LAYER = (DEEPSEEK, WMDP, "ga", "uoe"), (DEEPSEEK, WMDP, "ga", "uoe-all-layers")
FORGOTTEN = 0.1  # Left where routing is read off a run that reaches it
FAR = 0.25  # … and where two runs are compared: one that trains little may get no further


def ended(study: ClaimStudy, cell: tuple, values) -> Case:
    return study.case(cell, values, study.collapsed_at_the_end(cell))


def long_tail(study: ClaimStudy) -> list[Case]:
    """Each MoE layer: share of all choices that fall on its 9 / 64 most used experts (rounded up)."""
    cases = []
    for real in BOTH:
        model = study.cell(real, WMDP, "ga", "uoe")[0]
        runs = [study.results.affinity(model, WMDP, seed) for seed in study.seeds]
        few = math.ceil(runs[0]["experts"] * 9 / 64)
        for layer in runs[0]["layers"]:
            sorted_shares = [sorted(run["layers"][layer]["token_share"], reverse=True) for run in runs]
            shares = [sum(of_run[:few]) / runs[0]["top_k"] for of_run in sorted_shares]
            cases.append(study.model_case(model, f"layer {layer}, {few} experts", shares))
    return cases


def shifts(study: ClaimStudy, scope: str) -> list[Case]:
    """1 - overlap where Left falls to FORGOTTEN."""
    cells = [study.cell(model, WMDP, "ga", scope) for model in BOTH]
    cases = where_left_falls(study, cells, FORGOTTEN, overlap_at_left)
    return [case if case.values is None else Case(case.name, 1 - case.values) for case in cases]


def final_shift(study: ClaimStudy) -> list[Case]:
    cell = study.cell(*EVERY_LAYER)
    return [ended(study, cell, 1 - study.overlaps(cell))]


def decline(study: ClaimStudy) -> list[Case]:
    """Overlap at the first probe after the start less that at the last one."""
    cells = [study.cell(model, WMDP, "ga", "baseline") for model in BOTH]
    return [ended(study, cell, study.overlaps(cell, 1) - study.overlaps(cell)) for cell in cells]


def rise_of_forget_loss(study: ClaimStudy) -> list[Case]:
    """Cross-entropy (nats) of the forget text at the last probe less that at the first."""
    cases = []
    for model in BOTH:
        for scope in ("baseline", "experts", "routers"):
            cell = study.cell(model, WMDP, "ga", scope)
            probes = [run["probes"] for run in study.trajectories(cell)]
            values = study.per_seed([of_run[-1]["forget_loss"] - of_run[0]["forget_loss"] for of_run in probes])
            cases.append(ended(study, cell, values))
    return cases


def first_less_last_layer(study: ClaimStudy) -> list[Case]:
    """Overlap at the end in the first MoE layer less that in the last."""
    cell = study.cell(*EVERY_LAYER)
    runs = study.trajectories(cell)
    ends = [[run["probes"][-1]["overlap"][str(run["moe_layers"][i])] for i in (0, -1)] for run in runs]
    return [ended(study, cell, study.per_seed([first - last for first, last in ends]))]


def final_utility(study: ClaimStudy) -> list[Case]:
    """UT of one expert of one layer less that of one in every layer, at the last step scored of both."""
    cells = [study.cell(*place) for place in (CONTROL, EVERY_LAYER)]
    steps = study.last_common_steps(*cells)
    own, other = (study.answers.at(cell, steps, "ut") for cell in cells)
    return [study.case(cells[0], own - other)]


def final_overlap(study: ClaimStudy, pairs: list[tuple]) -> list[Case]:
    """Overlap at the last probe: the first of each pair less the second."""
    cases = []
    for first, second in ([study.cell(*place) for place in pair] for pair in pairs):
        values = study.overlaps(first) - study.overlaps(second)
        cases.append(study.case(first, values, study.collapsed_at_the_end(first, second)))
    return cases


def one_and_all(study: ClaimStudy) -> list[tuple]:
    """UOE and all parameters."""
    return [tuple(study.cell(model, WMDP, "ga", scope) for scope in ("uoe", "baseline")) for model in BOTH]


def strong_anchor(study: ClaimStudy) -> list[Case]:
    """Kept utility with alpha 1000 less that with 1, and the reverse. With one trained layer nothing below it changes,
    so the anchor's gradient on the expert is 0 and acts on the router alone; and Adam divides its scale out."""
    scopes = ("uoe-alpha-1000", "uoe")
    (case,) = kept(study, [tuple(study.cell(DEEPSEEK, RWKU, "ga", scope) for scope in scopes)])
    return [signed(case, 1, "alpha 1000 less 1"), signed(case, -1, "alpha 1 less 1000")]


CLAIMS = [
    Claim("long-tail", "v1 section 4, insight 1", "A few experts (6 to 9 of 64) get most tokens of a topic.",
          "share of choices on the 9/64 most used experts, every MoE layer > 50 %", "every", long_tail, 0.50),
    Claim("selection-shifts", "v1 abstract, section 4, Figure 3a", "Unlearning shifts which experts are chosen.",
          "1 - overlap where Left falls to .1 (GA, WMDP; Qwen, DeepSeek), every run compared > 10 points", "every",
          lambda study: shifts(study, "baseline"), 0.10),
    Claim("steady-decline", "v1 section 4, Figure 3a", "The overlap falls steadily.",
          "overlap at the first probe less that at the last (GA, WMDP; Qwen, DeepSeek), every one > 0", "every",
          decline, equivalence=OVERLAP),
    Claim("shifts-with-fixed-routers", "v1 section 4", "The shift persists when routers are frozen.",
          "1 - overlap where Left falls to .1 when only experts train, every run compared > 10 points", "every",
          lambda study: shifts(study, "experts"), 0.10),
    Claim("forget-loss-falls", "v1 section 4, Figure 3b", "Meanwhile the forget loss falls, whatever is trained.",
          "rise of forget text's cross-entropy from start to end (GA; all, experts, routers), every one > 0", "every",
          rise_of_forget_loss, 0.0, "nats"),
    Claim("every-layer-shifts", "v1 section 4, Figures 4 and 5", "One expert in every layer, anchored, still shifts.",
          "1 - overlap at the last step (DeepSeek, WMDP, GA) > 10 points", "every", final_shift, 0.10),
    Claim("every-layer-shifts-more", "v1 section 4", "One expert in every layer shifts more than one of one layer.",
          "overlap at the last step, one expert of one layer less one in every layer (DeepSeek, WMDP, GA) > 0", "every",
          lambda study: final_overlap(study, [(CONTROL, EVERY_LAYER)]), equivalence=OVERLAP),
    Claim("deeper-shifts-more", "v1 section 4, Figure 4", "Small shifts early become large ones in deeper layers.",
          "overlap in the first MoE layer less that in the last (one expert in every layer) > 0", "every",
          first_less_last_layer, equivalence=OVERLAP),
    Claim("every-layer-costs-30", "v1 section 4", "One expert in every layer costs over 30 points of utility.",
          "UT at the last step scored of both, one expert of one layer less one in every layer > 30 points", "every",
          final_utility, 0.30),
    Claim("every-layer-costs", "v1 section 4", "One expert in every layer costs utility, at equal forgetting too.",
          "kept utility, one expert of one layer less one in every layer (DeepSeek, WMDP, GA) > 0", "every",
          lambda study: kept(study, [(study.cell(*CONTROL), study.cell(*EVERY_LAYER))]), equivalence=KEEP),
    Claim("one-layer-keeps-routing", "v1 abstract, section 4",
          "One expert of one layer keeps the selection stable.",
          "overlap at the last step, UOE less all parameters (GA, WMDP; Qwen, DeepSeek), every one > 0", "every",
          lambda study: final_overlap(study, [((m, WMDP, "ga", "uoe"), (m, WMDP, "ga", "baseline")) for m in BOTH]),
          equivalence=OVERLAP),
    Claim("one-layer-keeps-routing-matched", "v1 abstract, section 4", "It does so at equal forgetting.",
          "the same where Left falls to .25, every pair compared > 0", "every",
          lambda study: overlap_gains(study, one_and_all(study), FAR), equivalence=OVERLAP),
    Claim("anchor-keeps-routing", "v1 section 4", "The anchor loss stabilises the selected expert.",
          "overlap where Left falls to .25, alpha 1 less alpha 0, one expert in every layer: there a trained expert "
          "moves the input of later routers (DeepSeek, WMDP, GA), > 0", "every",
          lambda study: overlap_gains(
              study, [(study.cell(*EVERY_LAYER), study.cell(*EVERY_LAYER[:3], "uoe-all-layers-alpha-0"))], FAR),
          equivalence=OVERLAP),
    Claim("anchor-one-layer", "ours", "With one trained layer the anchor's strength makes no difference: it has no "
          "gradient on the expert, and Adam divides out its scale on the router.",
          "kept utility, alpha 1000 less alpha 1, and the reverse (DeepSeek, RWKU, GA): both > -3 points", "every",
          strong_anchor, -KEEP),
]  # fmt: skip
