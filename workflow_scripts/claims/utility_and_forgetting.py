"""Claims on UOE against the unmodified methods: utility kept, and what is forgotten meanwhile (v1 Table 2)."""

from claims.cases import KEEP, METHODS, PLACES, RWKU, WMDP, Claim, gains, losses, pairs, signed
from claims.curves import kept
from claims.study import Case, ClaimStudy

CELLS = ((("wmdp-cyber", "rwku"), ("ga", "gdiff", "npo", "rmu"), ("baseline", "uoe")),)


def utility(study: ClaimStudy) -> list[Case]:
    return gains(study, "ut", 1)


def forgetting(study: ClaimStudy) -> list[Case]:
    return gains(study, "fa", -1)


def kept_on(*benchmarks: str):
    """Kept utility of UOE less that of the unmodified method."""
    places = [place for place in PLACES if place[1] in benchmarks]
    return lambda study: kept(study, pairs(study, places))


def losses_of_uoe(study: ClaimStudy) -> list[Case]:
    places = [(*place, method, "uoe") for method in METHODS for place in PLACES]
    return [signed(case, -1) for case in losses(study, places)]


CLAIMS = [
    Claim("utility-always", "v1 section 5.2, Table 2", "UOE improves utility with every method tested.",
          "UT of UOE less that of the unmodified method at the checkpoints of Table 2, every one of 16 pairs > 0",
          "every", utility, equivalence=KEEP),
    Claim("utility-on-average", "v1 abstract, v2 abstract", "UOE improves utility.",
          "the same, mean of 16 pairs > 0", "mean", utility, equivalence=KEEP),
    Claim("utility-always-at-equal-forgetting", "v1 section 5.2, Table 2", "It does so with every method tested, "
          "without forgetting less.",
          "kept utility of UOE less that of the unmodified method, every one of 16 pairs compared > 0", "every",
          kept_on(WMDP, RWKU), equivalence=KEEP),
    Claim("utility-at-equal-forgetting", "v1 section 5.2", "It does so without forgetting less.",
          "the same, mean > 0", "mean", kept_on(WMDP, RWKU), equivalence=KEEP),
    Claim("utility-at-equal-forgetting-cyber", "v1 section 5.2", "It does so on hazardous knowledge.",
          "the same on WMDP, mean of 8 pairs > 0", "mean", kept_on(WMDP), equivalence=KEEP),
    Claim("utility-at-equal-forgetting-persons", "v1 section 5.2", "It does so on persons.",
          "the same on RWKU, mean of 8 pairs > 0", "mean", kept_on(RWKU), equivalence=KEEP),
    Claim("utility-35", "v1 abstract, v2 abstract", "Utility improves by up to 35 points.",
          "UT at the checkpoints of Table 2, UOE less the unmodified method, largest of 16 pairs > 35 points", "some",
          utility, 0.35),
    Claim("forget-5", "v1 abstract, v2 abstract", "Forget quality improves by up to 5 points.",
          "FA of the unmodified method less that of UOE, largest of 16 pairs > 5 points", "some", forgetting, 0.05),
    Claim("forget-unaffected", "v1 section 5.2", "Forgetting is unaffected or slightly improved.",
          "FA of the unmodified method less that of UOE, every pair > -2 points", "every", forgetting, -0.02),
    Claim("no-severe-drop", "v1 section 5.2", "UOE avoids utility losses of over 10 points.",
          "UT lost by UOE, negated, every one of 16 > -10 points", "every", losses_of_uoe, -0.10),
]  # fmt: skip
