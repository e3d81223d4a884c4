"""From a claim's cases to its verdict: a quantifier over them, a margin, and the interval of the effect."""

from statistics import fmean

import numpy

from claims.cases import Claim
from claims.study import ClaimStudy, NotRun
from evidence.intervals import average, equivalent, estimates, limits, smallest_seen

HOLDS, FAILS, SAME, OPEN = "holds", "does not hold", "no difference", "undecided"
ONE_SEED, NOT_RUN = "undecided (one seed)", "not run"
NUMBERS = ("effect", "low", "high", "smallest")
LEAST_SHARE = 0.5  # of a claim's cases that must be compared


def verdicts(claim: Claim, means, errors, freedom) -> numpy.ndarray:
    """Verdict on cases that lie on the last axis (evidence.intervals.estimates, means averaged already where the claim
    is about the mean), `[...]`."""
    _, low, high = limits(claim.over, means, errors, freedom)
    same = claim.equivalence is not None and equivalent(means, errors, freedom, claim.equivalence)
    conditions = (low > claim.margin, high < claim.margin, numpy.broadcast_to(same, low.shape))
    return numpy.select(conditions, (HOLDS, FAILS, SAME), OPEN)


def judged(claim: Claim, study: ClaimStudy) -> dict:
    """Row of the ledger: verdict, effect, interval, smallest effect that would have been seen, and on which cases it
    rests."""
    row = {"id": claim.id, "source": claim.source, "claim": claim.text, "kind": claim.kind, "test": claim.test}
    row |= {"unit": claim.unit, "equivalence": claim.equivalence, "seeds": len(study.seeds)} | dict.fromkeys(NUMBERS)
    row |= {"cases": 0, "intended": 0, "of": "", "span": None, "collapsed": 0}
    try:
        intended = claim.cases(study)
    except NotRun as missing:
        return row | {"verdict": NOT_RUN, "note": f"not among the study's cells: {missing}"}
    cases = [case for case in intended if case.values is not None]
    row |= {"cases": len(cases), "intended": len(intended)}
    notes = [_left_out(intended, cases)] * (len(cases) < len(intended))
    if len(cases) < LEAST_SHARE * len(intended):
        return row | {"verdict": ONE_SEED if len(study.seeds) == 1 else OPEN, "note": notes[0]}
    several = [case.values for case in cases]
    found = estimates([average(several)] if claim.over == "mean" else several)
    numbers = (*limits(claim.over, *found), smallest_seen(*found[1:]))
    row |= {name: None if numpy.isnan(n) else float(n) for name, n in zip(NUMBERS, numbers, strict=True)}
    row["verdict"] = ONE_SEED if len(study.seeds) == 1 else str(verdicts(claim, *found))
    collapsed = [case.name for case in cases if case.collapsed]
    notes += [f"† collapsed: {', '.join(collapsed)}"] * bool(collapsed)
    notes += ["no spread: all seeds equal"] * bool(len(study.seeds) > 1 and (found[1] == 0).any())
    spans = [case.span for case in cases if case.span is not None]
    row |= {"of": _of(claim.over, cases), "span": fmean(spans) if spans else None, "collapsed": len(collapsed)}
    return row | {"note": "; ".join(notes)}


def _left_out(intended: list, cases: list) -> str:
    """Which cases could not be compared, and why."""
    reasons = "; ".join(f"{case.name}: {case.why}" for case in intended if case.values is None)
    return f"compared {len(cases)} of {len(intended)}; not {reasons}"


def _of(over: str, cases: list) -> str:
    if over == "mean":
        return f"mean of {len(cases)}"
    name, extreme = ("least", min) if over == "every" else ("largest", max)
    return f"{name}: {extreme(cases, key=lambda case: case.values.mean).name}"
