"""From a claim's cases to its verdict: a quantifier over them, a margin, and the interval of the effect. With one seed
nothing is decided."""

import numpy

from claims.cases import Claim
from claims.study import ClaimStudy, NotRun, Undecidable
from evidence.bootstrap import Case, draws, interval, joint_interval

HOLDS, FAILS, OPEN = "holds", "does not hold", "undecided"
ONE_SEED, NOT_RUN = "undecided (one seed)", "not run"


def judged(claim: Claim, study: ClaimStudy) -> dict:
    """Row of the ledger: verdict, effect, interval, and which cases it rests on."""
    row = {"id": claim.id, "source": claim.source, "claim": claim.text, "test": claim.test, "unit": claim.unit}
    row |= {"effect": None, "low": None, "high": None, "cases": 0, "of": "", "collapsed": 0}
    one_seed = len(study.seeds) == 1
    try:
        cases = claim.cases(study)
    except NotRun as missing:
        return row | {"verdict": NOT_RUN, "note": f"not among the study's cells: {missing}"}
    except Undecidable as reason:
        return row | {"verdict": ONE_SEED if one_seed else OPEN, "note": str(reason)}
    effect, low, high, of = _effect(claim.over, cases)
    verdict = HOLDS if low > claim.margin else FAILS if high < claim.margin else OPEN
    if one_seed:
        verdict = ONE_SEED
        if all(case.values.shape[1] == 1 for case in cases):
            low = high = None  # neither questions nor seeds to draw from
    collapsed = [case.name for case in cases if case.collapsed]
    row |= {"effect": effect, "low": low, "high": high, "cases": len(cases), "of": of, "collapsed": len(collapsed)}
    return row | {"verdict": verdict, "note": f"collapsed: {', '.join(collapsed)}" if collapsed else ""}


def _effect(over: str, cases: list[Case]) -> tuple[float, float, float, str]:
    drawn, means = draws(cases), numpy.array([case.mean for case in cases])
    if over == "mean":
        return float(means.mean()), *interval(drawn.mean(1)), f"mean of {len(cases)}"
    i = int(means.argmin() if over == "every" else means.argmax())
    name = f"{'least' if over == 'every' else 'largest'}: {cases[i].name}"
    return float(means[i]), *joint_interval(drawn, means, i), name
