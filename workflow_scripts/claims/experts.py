"""Claims on experts: their attribution, the layer whose expert trains (v1 Table 7), the strength of the anchor loss (v1
Table 10), and how evenly forget text uses them (v1 Figure 6)."""

import math

from claims.cases import DEEPSEEK, FORGET, KEEP, PLACES, QWEN, RWKU, WMDP, Claim, signed
from claims.curves import LEAST_SPAN, kept
from claims.study import Case, ClaimStudy, NotRun
from evidence.intervals import average
from planning import layout

CELLS = (
    (("wmdp-cyber", "rwku"), ("rmu",), ("uoe", "random", "random-draw-2", "random-draw-3")),
    (("rwku",), ("ga",), ("uoe", "uoe-rank-*", "uoe-alpha-0", "uoe-alpha-100", "uoe-alpha-1000")),
    (("wmdp-cyber",), ("ga",), ("baseline",)),
)
COLUMN = (DEEPSEEK, RWKU, "ga")
DRAWS = ("random", "random-draw-2", "random-draw-3")


def checks(study: ClaimStudy, part: str) -> list[tuple[str, list[dict]]]:
    """(model, part of each seed's check of its attribution) of the models whose attribution was checked."""
    models = [study.model(real) for real in (QWEN, DEEPSEEK)]
    checked = [model for model in models if [model, WMDP] in study.settings["checked_attributions"]]
    if not checked:
        raise NotRun("checks of the attribution")
    return [(m, study.results.of_seeds(layout.ATTRIBUTION_CHECKS, (m, WMDP), part)) for m in checked]


def overlaps(study: ClaimStudy) -> list[Case]:
    """Overlap of the top-K experts between the whole forget set and each part."""
    return [
        study.model_case(model, part, [record[part] for record in records])
        for model, records in checks(study, "overlap")
        for part in records[0]
    ]


def rank_correlations(study: ClaimStudy) -> list[Case]:
    every = checks(study, "spearman")
    return [study.model_case(model, "all", [record["all"]["mean"] for record in records]) for model, records in every]


def random_less_selected(study: ClaimStudy) -> list[Case]:
    """FA with a random expert (mean over the draws) less that with the selected one."""
    cases = []
    for place in PLACES:
        own = study.cell(*place, "rmu", "uoe")
        drawn = [study.cell(*place, "rmu", scope) for scope in DRAWS]
        mean = average([study.answers.shown(cell, "fa") for cell in drawn])
        cases.append(study.case(own, mean - study.answers.shown(own, "fa"), study.collapsed(own, *drawn)))
    return cases


def selected_less_random(study: ClaimStudy) -> list[Case]:
    """Kept utility with the selected expert less that with each random one."""
    cells = [(*place, "rmu") for place in PLACES]
    return kept(study, [(study.cell(*cell, "uoe"), study.cell(*cell, drawn)) for cell in cells for drawn in DRAWS])


def ranks(study: ClaimStudy, first: str, second: str) -> list[Case]:
    return kept(study, [(study.cell(*COLUMN, first), study.cell(*COLUMN, second))])


def first_less_last_rank(study: ClaimStudy) -> list[Case]:
    """Kept utility with the layer of rank 1 less that with the lowest rank in the study."""
    group = (study.model(DEEPSEEK), *COLUMN[1:])
    scopes = {cell[3] for cell in study.cells if cell[:3] == group and "-rank-" in cell[3]}
    last = max(scopes, key=lambda scope: int(scope.rpartition("-")[2]), default="uoe-rank-26")
    return ranks(study, "uoe", last)


def alpha_1_less_others(study: ClaimStudy, sign: int, least: float = LEAST_SPAN) -> list[Case]:
    """sign x (kept utility with alpha = 1 less that with another)."""
    own, others = study.cell(*COLUMN, "uoe"), ("uoe-alpha-0", "uoe-alpha-100", "uoe-alpha-1000")
    cases = kept(study, [(own, study.cell(*COLUMN, other)) for other in others], least)
    return [signed(case, sign) for case in cases]


def entropy(probe: dict) -> float:
    """Entropy (nats) of an expert's share of all choices, mean over MoE layers."""
    layers = [[s / sum(shares) for s in shares if s > 0] for shares in probe["token_share"].values()]
    return -sum(s * math.log(s) for shares in layers for s in shares) / len(layers)


def fall_of_entropy(study: ClaimStudy) -> list[Case]:
    cell = study.cell(DEEPSEEK, WMDP, "ga", "baseline")
    values = [entropy(run["probes"][0]) - entropy(run["probes"][-1]) for run in study.trajectories(cell)]
    return [study.case(cell, study.per_seed(values), study.collapsed_at_the_end(cell))]


CLAIMS = [
    Claim("attribution-stable", "v1 section 4, v2 Table 8", "A part of the forget set attributes as the whole does.",
          "overlap of the top-K experts between whole and parts (WMDP; Qwen, DeepSeek), every one > 80 %", "every",
          overlaps, 0.80),
    Claim("gate-score-ranks", "v2 Table 11", "The gate score ranks experts as the norm of their contribution does.",
          "Spearman correlation over all experts, mean over layers (WMDP; Qwen, DeepSeek), every one > 0.95", "every",
          rank_correlations, 0.95, ""),
    Claim("random-forgets-less", "v1 section 5.2, Table 6",
          "The expert of highest affinity beats a random one at forgetting.",
          "FA with random experts less that with UOE's at the checkpoints of Table 6 (RMU, 4 columns), every one > 0",
          "every", random_less_selected, equivalence=FORGET),
    Claim("random-keeps-less", "v1 section 5.2, Table 6", "It beats a random one at equal forgetting.",
          "kept utility of UOE less that of each of 3 random experts (RMU, 4 columns), mean > 0", "mean",
          selected_less_random, equivalence=KEEP),
    Claim("layer-does-not-matter", "v1 section 5.2, Table 7", "UOE is robust to the layer as long as affinity is high.",
          "kept utility, layer rank 2 less rank 1 (DeepSeek, RWKU, GA), > -2 points", "every",
          lambda study: ranks(study, "uoe-rank-2", "uoe"), -0.02),
    Claim("low-affinity-costs", "v1 section 5.2, Table 7", "Layers of very low affinity cost utility.",
          "kept utility, layer rank 1 less the last rank (DeepSeek, RWKU, GA) > 0", "every", first_less_last_rank,
          equivalence=KEEP),
    Claim("robust-to-alpha", "v1 appendix D, Table 10", "UOE is robust to the anchor's strength.",
          "kept utility with alpha 0, 100, 1000 less that with 1 (DeepSeek, RWKU, GA), of runs that reached Left .5, "
          "every pair compared > -2 points", "every", lambda study: alpha_1_less_others(study, -1, 0.4), -0.02),
    Claim("alpha-1-best", "v1 appendix D, Table 10", "alpha = 1 is best.",
          "kept utility with alpha = 1 less that with 0, 100, 1000, every pair compared > 0", "every",
          lambda study: alpha_1_less_others(study, 1), equivalence=KEEP),
    Claim("uncertainty-falls", "v1 appendix C, Figure 6", "GA makes routing on forget text less even.",
          "entropy of the experts' shares, before less after (DeepSeek, WMDP) > 0", "every",
          fall_of_entropy, 0.0, "nats"),
]  # fmt: skip
