"""Claims on the attribution of experts: stable, ranked by the gate score, better than chance."""

from claims.cases import DEEPSEEK, PLACES, QWEN, WMDP
from claims.claim import Claim
from claims.study import ClaimStudy, NotRun
from evidence.bootstrap import Case
from planning import layout

CELLS = ((("wmdp-cyber", "rwku"), ("rmu",), ("uoe", "random", "random-draw-2", "random-draw-3")),)


def checks(study: ClaimStudy, part: str) -> list[tuple[str, list[dict]]]:
    """(model, part of each seed's check of its attribution) of the models whose attribution was checked."""
    models = [study.model(real) for real in (QWEN, DEEPSEEK)]
    checked = [model for model in models if [model, WMDP] in study.settings["checked_attributions"]]
    if not checked:
        raise NotRun("checks of the attribution")
    return [(m, study.values(layout.ATTRIBUTION_CHECKS, (m, WMDP), part)) for m in checked]


def overlaps(study: ClaimStudy) -> list[Case]:
    """Overlap of the top-K experts between the whole forget set and each part."""
    return [
        study.model_case(model, part, [record[part] for record in records])
        for model, records in checks(study, "overlap")
        for part in records[0]
    ]


def rank_correlations(study: ClaimStudy) -> list[Case]:
    return [
        study.model_case(model, "all", [record["all"]["mean"] for record in records])
        for model, records in checks(study, "spearman")
    ]


def random_less_selected(study: ClaimStudy) -> list[Case]:
    """FA with a random expert (mean over the draws) less that with the selected one."""
    cases = []
    for place in PLACES:
        own = study.cell(*place, "rmu", "uoe")
        drawn = [study.cell(*place, "rmu", scope) for scope in ("random", "random-draw-2", "random-draw-3")]
        mean = sum(study.score(cell, "forget") for cell in drawn) / len(drawn)
        cases.append(study.case(own, "forget", mean - study.score(own, "forget"), study.collapsed(own, *drawn)))
    return cases


CLAIMS = [
    Claim("attribution-stable", "v1 section 4, v2 Table 8", "A part of the forget set attributes as the whole does.",
          "overlap of the top-K experts between whole and parts (WMDP; Qwen, DeepSeek), every one > 80 %", "every",
          overlaps, 0.80),
    Claim("gate-score-ranks", "v2 Table 11", "The gate score ranks experts as the norm of their contribution does.",
          "Spearman correlation over all experts, mean over layers (WMDP; Qwen, DeepSeek), every one > 0.95", "every",
          rank_correlations, 0.95, ""),
    Claim("random-forgets-less", "v1 section 5.2, Table 6",
          "The expert of highest affinity beats a random one at forgetting.",
          "FA with random experts less that with UOE's (RMU, 4 columns), every one > 0", "every", random_less_selected),
]  # fmt: skip
