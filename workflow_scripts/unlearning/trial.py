"""One trial of tuning: a run that is scored as it goes, and that ends once it is plainly lost.

A trial's value is Keep averaged over Left from .9 to .1, where what the run does not reach, or falls through too fast,
counts nothing: settings must get there to win.
"""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.curve import FROM, TO, Curve, curve, kept_utility
from planning.cell_files import checkpoint_steps
from unlearning.run import Run

EVERY = 2  # every second checkpoint of a cell is scored
COARSE = 0.5  # so falls between two of them may be twice as large


@dataclass(frozen=True)
class Trial:
    """value: see above; lowest: the least Left; ended: why the run ended before its last step, or ""."""

    value: float
    counted: float
    lowest: float
    step: int
    ended: str


def value(run: Curve) -> float:
    kept = kept_utility(run, COARSE)
    return (kept.value or 0.0) * kept.counted / (FROM - TO)


def at_most(run: Curve) -> float:
    """What a run that is not finished can still get, if Keep does not rise again."""
    left = min(run.lowest(), FROM)
    return value(run) + max(0.0, left - TO) * run.keep[-1] / (FROM - TO)


def run_trial(run: Run, score: Callable[[int], dict], original: dict, half: str, best: float) -> Trial:
    """Train a prepared run. score: the entry of metrics.json, of `half`, of the model as it is now; best: value of the
    best trial before. Ends at Left = .1, or where it cannot win any more, or where half of its steps have forgotten
    next to nothing, or where its loss is not finite."""
    entries: list[dict] = []
    scored = set(checkpoint_steps(run.training)[EVERY - 1 :: EVERY]) | {run.training["steps"]}
    line, ended, step = curve([], original, half), "", 0
    for step in range(1, run.training["steps"] + 1):
        try:
            run.step(step)
        except SystemExit as stop:  # a loss that is not finite: what was scored stands
            ended = str(stop)
            break
        if step not in scored:
            continue
        entries.append(score(step))
        line = curve(entries, original, half)
        if line.lowest() <= TO:
            ended = "reached"
            break
        if at_most(line) <= best:
            ended = "lost"
            break
        if best and line.lowest() > FROM and step >= run.training["steps"] / 2:
            ended = "slow"
            break
    kept = kept_utility(line, COARSE)
    return Trial(value(line), kept.counted, line.lowest(), step, ended)
