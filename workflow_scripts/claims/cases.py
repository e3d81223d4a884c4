"""What several claims are decided by: the papers' models and benchmarks, and the effects that claims share."""

from claims.study import ClaimStudy
from evidence.bootstrap import Case

QWEN, DEEPSEEK, MIXTRAL = "qwen1.5-moe-a2.7b-chat", "deepseek-v2-lite", "mixtral-8x7b-instruct-v0.1"
WMDP, RWKU = "wmdp-cyber", "rwku"
METHODS = ("ga", "gdiff", "npo", "rmu")
PLACES = ((QWEN, WMDP), (DEEPSEEK, WMDP), (QWEN, RWKU), (DEEPSEEK, RWKU))  # columns of v1 Table 2


def losses(study: ClaimStudy, places: list[tuple]) -> list[Case]:
    """UT lost by each (real model, benchmark, method, scope)."""
    cells = [study.cell(*place) for place in places]
    return [study.case(cell, "utility", study.loss(cell), study.collapsed(cell)) for cell in cells]


def signed(case: Case, sign: int, name: str = "") -> Case:
    return Case(name or case.name, case.model, case.questions, sign * case.values, case.collapsed)


def gains(
    study: ClaimStudy, test: str, sign: int, places=PLACES, methods=METHODS, other: str = "baseline"
) -> list[Case]:
    """UOE against another scope: sign x (score of UOE - score of the other)."""
    cells = [[study.cell(*place, method, scope) for scope in ("uoe", other)] for method in methods for place in places]
    return [signed(study.difference(test, first, second), sign) for first, second in cells]


def at_forget_accuracy(study: ClaimStudy, place: tuple, first: str, others: tuple[str, ...]) -> list[Case]:
    """UT at FA ≈ 0.25 of one variant of UOE less that of others."""
    own = study.cell(*place, "ga", first)
    return [study.difference("utility", own, study.cell(*place, "ga", other), "at_forget_accuracy") for other in others]


def shifts(study: ClaimStudy, places: list[tuple]) -> list[Case]:
    """1 - overlap at the end of training."""
    cells = [study.cell(*place) for place in places]
    return [study.case(cell, "routing", 1 - study.overlaps(cell), study.collapsed_at_the_end(cell)) for cell in cells]
