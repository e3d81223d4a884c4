"""The search for a method's settings: the same number of trials for every scope. Standard library only.

One setting at a time is divided and multiplied by FACTOR, as long as that is better; then the next setting, and again
from the first. So a best value at the edge of what was tried moves the search on. Once no neighbour is better, the
search goes on with the factor's square root, until the trials are used up.
"""

from collections.abc import Callable

FACTOR = 3.0
FINEST = 1.02  # nearer values are the same to three digits


def rounded(value: float) -> float:
    """To three digits: a value that is reached in two ways is one value."""
    return float(f"{value:.3g}")


def search(start: dict[str, float], trials: int, value: Callable[[dict], float]) -> list[dict]:
    """The settings tried, in order. value: of a trial, larger is better; called once for each settings."""
    tried: list[tuple[dict, float]] = []

    def known(settings: dict) -> float | None:
        """Value of a trial, made now if some are left; None if not."""
        for old, result in tried:
            if old == settings:
                return result
        if len(tried) == trials:
            return None
        tried.append((settings, value(settings)))
        return tried[-1][1]

    best, most, step = start, known(start), FACTOR
    while True:
        before = len(tried), best
        for name in start:
            for factor in (1 / step, step):
                while True:
                    further = best | {name: rounded(best[name] * factor)}
                    result = known(further)
                    if result is None:
                        return [settings for settings, _ in tried]
                    if result <= most:
                        break
                    best, most = further, result
        if (len(tried), best) == before:  # every neighbour was tried
            step **= 0.5
        if step < FINEST:
            return [settings for settings, _ in tried]


def edges(chosen: dict[str, float], tried: list[dict]) -> list[str]:
    """Settings of which no smaller, or no larger, value was tried beside the chosen one."""
    found = []
    for name, value in chosen.items():
        values = {settings[name] for settings in tried if all(settings[k] == chosen[k] for k in chosen if k != name)}
        if value in (min(values), max(values)):
            found.append(f"{name} ({'smallest' if value == min(values) else 'largest'} tried)")
    return found
