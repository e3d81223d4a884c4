"""Claims on UOE against the unmodified methods: utility kept, and what is forgotten meanwhile (v1 Table 2)."""

from claims.cases import METHODS, PLACES, Claim, gains, losses, signed
from claims.study import Case, ClaimStudy, Undecidable
from evidence.matched import matched_steps

CELLS = ((("wmdp-cyber", "rwku"), ("ga", "gdiff", "npo", "rmu"), ("baseline", "uoe")),)


def utility(study: ClaimStudy) -> list[Case]:
    return gains(study, "ut", 1)


def forgetting(study: ClaimStudy) -> list[Case]:
    return gains(study, "fa", -1)


def at_matched_forgetting(study: ClaimStudy) -> list[Case]:
    """UT of UOE less that of the unmodified method, where checkpoints of equal FA exist in every seed."""
    cases = []
    for method in METHODS:
        for place in PLACES:
            cells = [study.cell(*place, method, scope) for scope in ("uoe", "baseline")]
            steps = [matched_steps(study.results, *cells, seed) for seed in study.seeds]
            if None in steps:
                continue
            pairs = zip(cells, zip(*steps, strict=True), strict=True)
            own, others = (study.answers.at(cell, of_cell, "ut") for cell, of_cell in pairs)
            cases.append(study.case(cells[0], own - others))  # neither has collapsed
    if not cases:
        raise Undecidable("no pair of checkpoints has the same FA")
    return cases


def losses_of_uoe(study: ClaimStudy) -> list[Case]:
    places = [(*place, method, "uoe") for method in METHODS for place in PLACES]
    return [signed(case, -1) for case in losses(study, places)]


CLAIMS = [
    Claim("utility-always", "v1 section 5.2, Table 2", "UOE improves utility with every method tested.",
          "UT of UOE less that of the unmodified method, all 16 pairs, every one > 0", "every", utility),
    Claim("utility-on-average", "v1 abstract, v2 abstract", "UOE improves utility.",
          "UT of UOE less that of the unmodified method, mean of 16 pairs > 0", "mean", utility),
    Claim("utility-at-equal-forgetting", "v1 section 5.2", "It does so without forgetting less.",
          "the same at checkpoints whose FA is equal within 5 points, mean > 0", "mean", at_matched_forgetting),
    Claim("utility-35", "v1 abstract, v2 abstract", "Utility improves by up to 35 points.",
          "the same, largest of 16 pairs > 35 points", "some", utility, 0.35),
    Claim("forget-5", "v1 abstract, v2 abstract", "Forget quality improves by up to 5 points.",
          "FA of the unmodified method less that of UOE, largest of 16 pairs > 5 points", "some", forgetting, 0.05),
    Claim("forget-unaffected", "v1 section 5.2", "Forgetting is unaffected or slightly improved.",
          "FA of the unmodified method less that of UOE, every pair > -2 points", "every", forgetting, -0.02),
    Claim("no-severe-drop", "v1 section 5.2", "UOE avoids utility losses of over 10 points.",
          "UT lost by UOE, negated, every one of 16 > -10 points", "every", losses_of_uoe, -0.10),
]  # fmt: skip
