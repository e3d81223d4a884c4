"""What a claim is: a sentence of a paper, and the test on results that decides it. v1: arXiv 2411.18797v1 (UOE); v2:
arXiv 2411.18797v2 (SEUF); TRACE: arXiv 2606.10338 (abstract). Sentences are in our words. Margins are the papers' own
numbers where they give one, else ours; both stand in the test's sentence."""

from collections.abc import Callable
from dataclasses import dataclass

from claims.study import ClaimStudy
from evidence.bootstrap import Case


@dataclass(frozen=True)
class Claim:
    """cases: the effects, positive where they go the claimed way. over: "mean" of the cases, "every" or "some" of them
    must exceed `margin`. unit: "points" (hundredths are shown), or what else the effect is shown in, unscaled."""

    id: str
    source: str
    text: str
    test: str
    over: str
    cases: Callable[[ClaimStudy], list[Case]]
    margin: float = 0.0
    unit: str = "points"
