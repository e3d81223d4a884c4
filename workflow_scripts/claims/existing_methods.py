"""Claims on what unlearning costs without UOE: all parameters, only routers, only experts."""

from claims.cases import DEEPSEEK, KEEP, METHODS, QWEN, WMDP, Claim, signed
from claims.curves import kept, where_left_falls
from claims.study import Case, ClaimStudy
from evidence.curves import keep_at_left
from evidence.intervals import PerSeed
from evidence.study import Study

CELLS = (
    (("wmdp-cyber",), ("ga", "gdiff", "npo", "rmu"), ("baseline",)),
    (("wmdp-cyber",), ("ga",), ("experts", "routers")),
)
FORGOTTEN = 0.1  # Left


def utility_lost(study: Study, cell: tuple, left: float) -> PerSeed | None:
    """UT lost where Left falls to `left`: (1 - Keep) (UT0 - chance)."""
    keep = keep_at_left(study, cell, left)
    if keep is None:
        return None
    scores = [study.original(*cell[:2], seed)["utility"]["all"] for seed in study.seeds]
    return PerSeed([score["value"] - score["chance"] for score in scores] * (1 - keep.values))


def of_all_parameters(study: ClaimStudy) -> list[Case]:
    cells = [study.cell(model, WMDP, method, "baseline") for model in (QWEN, DEEPSEEK) for method in METHODS]
    return where_left_falls(study, cells, FORGOTTEN, utility_lost)


def dense_less_moe(study: ClaimStudy) -> list[Case]:
    """Each method and pair of models, which read the same world in a seed."""
    return kept(
        study,
        [
            tuple(study.cell(model, WMDP, method, "baseline") for model in (dense, moe))
            for method in METHODS
            for dense in study.dense()
            for moe in (QWEN, DEEPSEEK)
        ],
    )


def parts_less_all(study: ClaimStudy) -> list[Case]:
    """Only routers, only experts against all parameters."""
    parts = [(model, scope) for model in (QWEN, DEEPSEEK) for scope in ("routers", "experts")]
    return kept(study, [tuple(study.cell(m, WMDP, "ga", name) for name in (s, "baseline")) for m, s in parts])


CLAIMS = [
    Claim("moe-loses", "v1 abstract, section 3", "Existing methods cost MoE models much utility.",
          "UT lost where Left falls to .1 (GA, GDIFF, NPO, RMU, all parameters; Qwen, DeepSeek; WMDP), mean of the "
          "runs compared > 10 points, the papers' red line", "mean", of_all_parameters, 0.10),
    Claim("moe-worse-than-dense", "v1 section 3, Figure 1a", "They cost MoE models more than dense ones.",
          "kept utility of LLaMA, Phi-3 less that of Qwen, DeepSeek, same methods (WMDP), mean > 0", "mean",
          dense_less_moe, equivalence=KEEP),
    Claim("parts-no-better", "v1 section 3, Table 1", "Training only routers or only experts does not help.",
          "kept utility of all parameters less that of routers only, experts only (GA, WMDP; Qwen, DeepSeek), every "
          "pair compared > -3 points", "every",
          lambda study: [signed(case, -1) for case in parts_less_all(study)], -KEEP),
]  # fmt: skip
