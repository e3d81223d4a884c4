"""What a claim is, the papers' models and benchmarks, and the effects that several claims are decided by.

v1: arXiv 2411.18797v1 (UOE); v2: arXiv 2411.18797v2 (SEUF); TRACE: arXiv 2606.10338 (abstract); ours: what this project
claims itself. Sentences are in our words. Margins are the papers' own numbers where they give one, else ours; both
stand in the test's sentence."""

from collections.abc import Callable
from dataclasses import dataclass

from claims.study import Case, ClaimStudy

QWEN, DEEPSEEK, MIXTRAL = "qwen1.5-moe-a2.7b-chat", "deepseek-v2-lite", "mixtral-8x7b-instruct-v0.1"
WMDP, RWKU = "wmdp-cyber", "rwku"
METHODS = ("ga", "gdiff", "npo", "rmu")
PLACES = ((QWEN, WMDP), (DEEPSEEK, WMDP), (QWEN, RWKU), (DEEPSEEK, RWKU))  # columns of v1 Table 2
RESULT, ARITHMETIC = "result", "arithmetic"

# Bounds within which an effect counts as none, declared before any reported seed was run. KEEP, of Keep, kept utility
# and UT: a third of the papers' 10-point red line, about two standard errors of one model's UT on 400 questions;
# nobody would act on less. FORGET, of FA: the smallest gain that the papers announce. OVERLAP: half of the 10 points
# from which on a claim here speaks of a shift.
KEEP, FORGET, OVERLAP = 0.03, 0.05, 0.05


@dataclass(frozen=True)
class Claim:
    """A sentence of a paper, and the test on results that decides it.

    cases: the effects, positive where they go the claimed way. over: "mean" of the cases, "every" or "some" of them
    must exceed `margin`. unit: "points" (hundredths are shown), or what else the effect is shown in, unscaled.
    equivalence: bound, declared beforehand, within which an effect counts as none; only of claims whose margin is 0,
    since another margin says itself what is too small to count. kind: a claim of kind arithmetic follows from the
    models' sizes, so that no run can change it."""

    id: str
    source: str
    text: str
    test: str
    over: str
    cases: Callable[[ClaimStudy], list[Case]]
    margin: float = 0.0
    unit: str = "points"
    equivalence: float | None = None
    kind: str = RESULT

    def __post_init__(self) -> None:
        if self.equivalence is not None and (self.margin or self.equivalence <= 0):
            raise ValueError(f"claim {self.id}: equivalence needs margin 0 and a bound over 0")


def losses(study: ClaimStudy, places: list[tuple]) -> list[Case]:
    """UT lost by each (real model, benchmark, method, scope) at the checkpoints that the tables show."""
    cells = [study.cell(*place) for place in places]
    return [study.case(cell, study.loss(cell), study.collapsed(cell)) for cell in cells]


def signed(case: Case, sign: int, name: str = "") -> Case:
    values = None if case.values is None else sign * case.values
    return Case(name or case.name, values, case.collapsed, case.span, case.why)


def pairs(study: ClaimStudy, places=PLACES, methods=METHODS, other="baseline") -> list[tuple[tuple, tuple]]:
    """Cells with UOE, each with that of another scope."""
    return [
        tuple(study.cell(*place, method, scope) for scope in ("uoe", other)) for method in methods for place in places
    ]


def gains(study: ClaimStudy, quantity: str, sign: int, places=PLACES, methods=METHODS, other="baseline") -> list[Case]:
    """UOE against another scope at the checkpoints that the tables show: sign x (score of UOE - score of the other)."""
    cells = pairs(study, places, methods, other)
    return [signed(study.difference(quantity, first, second), sign) for first, second in cells]
