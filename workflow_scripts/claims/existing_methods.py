"""Claims on what unlearning costs without UOE: all parameters, only routers, only experts."""

from claims.cases import DEEPSEEK, METHODS, QWEN, WMDP, Claim, losses
from claims.study import Case, ClaimStudy

CELLS = (
    (("wmdp-cyber",), ("ga", "gdiff", "npo", "rmu"), ("baseline",)),
    (("wmdp-cyber",), ("ga",), ("experts", "routers")),
)
BASELINES = [(model, WMDP, method, "baseline") for model in (QWEN, DEEPSEEK) for method in METHODS]
PARTS = [(model, WMDP, "ga", scope) for model in (QWEN, DEEPSEEK) for scope in ("routers", "experts")]


def moe_less_dense(study: ClaimStudy) -> list[Case]:
    """For each method and pair of models: UT lost by the MoE model less that by the dense one. Seeds pair in order."""
    cases = []
    for method in METHODS:
        for moe in (QWEN, DEEPSEEK):
            for dense in study.dense():
                first, second = (study.cell(model, WMDP, method, "baseline") for model in (moe, dense))
                values = study.loss(first) - study.loss(second)
                cases.append(study.case(first, values, study.collapsed(first, second)))
    return cases


CLAIMS = [
    Claim("moe-loses", "v1 abstract, section 3", "Existing methods cost MoE models much utility.",
          "UT lost (GA, GDIFF, NPO, RMU, all parameters; Qwen, DeepSeek; WMDP), mean > 10 points, the papers' red line",
          "mean", lambda study: losses(study, BASELINES), 0.10),
    Claim("moe-worse-than-dense", "v1 section 3, Figure 1a", "They cost MoE models more than dense ones.",
          "UT lost by Qwen, DeepSeek less that by LLaMA, Phi-3, same methods, mean > 0", "mean", moe_less_dense),
    Claim("parts-no-better", "v1 section 3, Table 1", "Training only routers or only experts does not help.",
          "UT lost (GA, WMDP; routers only, experts only), every one > 20 points", "every",
          lambda study: losses(study, PARTS), 0.20),
]  # fmt: skip
