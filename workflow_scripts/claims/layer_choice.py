"""Claims on which layer's expert trains (v1 Table 7)."""

from claims.cases import DEEPSEEK, RWKU, at_forget_accuracy
from claims.claim import Claim
from claims.study import ClaimStudy
from evidence.bootstrap import Case

CELLS = ((("rwku",), ("ga",), ("uoe", "uoe-rank-*")),)
COLUMN = (DEEPSEEK, RWKU)


def first_less_last_rank(study: ClaimStudy) -> list[Case]:
    """UT at FA ≈ 0.25 with the layer of rank 1 less that with the lowest rank in the study."""
    group = (study.model(DEEPSEEK), RWKU, "ga")
    scopes = {cell[3] for cell in study.cells if cell[:3] == group and "-rank-" in cell[3]}
    last = max(scopes, key=lambda scope: int(scope.rpartition("-")[2]), default="uoe-rank-26")
    return at_forget_accuracy(study, COLUMN, "uoe", (last,))


CLAIMS = [
    Claim("layer-does-not-matter", "v1 section 5.2, Table 7", "UOE is robust to the layer as long as affinity is high.",
          "UT at FA ≈ 0.25, layer rank 2 less rank 1 (DeepSeek, RWKU, GA), > -2 points", "every",
          lambda study: at_forget_accuracy(study, COLUMN, "uoe-rank-2", ("uoe",)), -0.02),
    Claim("low-affinity-costs", "v1 section 5.2, Table 7", "Layers of very low affinity cost utility.",
          "UT at FA ≈ 0.25, layer rank 1 less the last rank (DeepSeek, RWKU, GA) > 0", "every", first_less_last_rank),
]  # fmt: skip
