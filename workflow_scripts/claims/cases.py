"""What a claim is, the papers' models and benchmarks, and the effects that several claims are decided by.

v1: arXiv 2411.18797v1 (UOE); v2: arXiv 2411.18797v2 (SEUF); TRACE: arXiv 2606.10338 (abstract). Sentences are in our
words. Margins are the papers' own numbers where they give one, else ours; both stand in the test's sentence."""

from collections.abc import Callable
from dataclasses import dataclass

from claims.study import Case, ClaimStudy

QWEN, DEEPSEEK, MIXTRAL = "qwen1.5-moe-a2.7b-chat", "deepseek-v2-lite", "mixtral-8x7b-instruct-v0.1"
WMDP, RWKU = "wmdp-cyber", "rwku"
METHODS = ("ga", "gdiff", "npo", "rmu")
PLACES = ((QWEN, WMDP), (DEEPSEEK, WMDP), (QWEN, RWKU), (DEEPSEEK, RWKU))  # columns of v1 Table 2


@dataclass(frozen=True)
class Claim:
    """A sentence of a paper, and the test on results that decides it.

    cases: the effects, positive where they go the claimed way. over: "mean" of the cases, "every" or "some" of them
    must exceed `margin`. unit: "points" (hundredths are shown), or what else the effect is shown in, unscaled.
    equivalence: bound, declared beforehand, within which an effect counts as none; only of claims whose margin is 0,
    since another margin says itself what is too small to count."""

    id: str
    source: str
    text: str
    test: str
    over: str
    cases: Callable[[ClaimStudy], list[Case]]
    margin: float = 0.0
    unit: str = "points"
    equivalence: float | None = None

    def __post_init__(self) -> None:
        if self.equivalence is not None and (self.margin or self.equivalence <= 0):
            raise ValueError(f"claim {self.id}: equivalence needs margin 0 and a bound over 0")


def losses(study: ClaimStudy, places: list[tuple]) -> list[Case]:
    """UT lost by each (real model, benchmark, method, scope)."""
    cells = [study.cell(*place) for place in places]
    return [study.case(cell, study.loss(cell), study.collapsed(cell)) for cell in cells]


def signed(case: Case, sign: int, name: str = "") -> Case:
    return Case(name or case.name, sign * case.values, case.collapsed)


def gains(study: ClaimStudy, quantity: str, sign: int, places=PLACES, methods=METHODS, other="baseline") -> list[Case]:
    """UOE against another scope: sign x (score of UOE - score of the other)."""
    cells = [[study.cell(*place, method, scope) for scope in ("uoe", other)] for method in methods for place in places]
    return [signed(study.difference(quantity, first, second), sign) for first, second in cells]


def at_forget_accuracy(study: ClaimStudy, place: tuple, first: str, others: tuple[str, ...]) -> list[Case]:
    """UT at FA ≈ 0.25 of one variant of UOE less that of others."""
    own = study.cell(*place, "ga", first)
    return [study.difference("ut", own, study.cell(*place, "ga", other), "at_forget_accuracy") for other in others]


def shifts(study: ClaimStudy, places: list[tuple]) -> list[Case]:
    """1 - overlap at the end of training."""
    cells = [study.cell(*place) for place in places]
    return [study.case(cell, 1 - study.overlaps(cell), study.collapsed_at_the_end(cell)) for cell in cells]
