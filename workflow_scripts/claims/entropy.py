"""The claim on how evenly forget text uses the experts (v1 Figure 6)."""

import math

import numpy

from claims.cases import DEEPSEEK, WMDP
from claims.claim import Claim
from claims.study import ClaimStudy
from evidence.bootstrap import Case

CELLS = ((("wmdp-cyber",), ("ga",), ("baseline",)),)


def entropy(probe: dict) -> float:
    """Entropy (nats) of an expert's share of all choices, mean over MoE layers."""
    layers = [[s / sum(shares) for s in shares if s > 0] for shares in probe["token_share"].values()]
    return -sum(s * math.log(s) for shares in layers for s in shares) / len(layers)


def fall_of_entropy(study: ClaimStudy) -> list[Case]:
    cell = study.cell(DEEPSEEK, WMDP, "ga", "baseline")
    values = [entropy(run["probes"][0]) - entropy(run["probes"][-1]) for run in study.trajectories(cell)]
    return [study.case(cell, "routing", numpy.array(values), study.collapsed_at_the_end(cell))]


CLAIMS = [
    Claim("uncertainty-falls", "v1 appendix C, Figure 6", "GA makes routing on forget text less even.",
          "entropy of the experts' shares, before less after (DeepSeek, WMDP) > 0", "every",
          fall_of_entropy, 0.0, "nats"),
]  # fmt: skip
