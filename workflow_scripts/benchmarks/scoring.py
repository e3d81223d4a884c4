"""Which checkpoints of a run are scored: few where nothing happens, more where knowledge or utility falls. Standard
library only.

Every STRIDE-th checkpoint is scored, in order, until FA stands at chance or the run ends. Where Left or Keep then falls
by more than FINE between two of them, the middle one of those in between is scored too, and so on. Which ones these are
follows from the scores alone.
"""

from collections.abc import Callable

from benchmarks.curve import TO, share, unmeasurable

STRIDE = 4
FINE = 0.2  # of Left or Keep
AT_CHANCE, TIMES = 0.05, 2  # Left at or below it, so many times in a row: FA stands at chance


def scored(steps: list[int], score: Callable[[int], dict], original: dict) -> list[dict]:
    """Entries of metrics.json in step order. steps: of the checkpoints that there are; score: scores one of them."""
    strided = sorted({*steps[STRIDE - 1 :: STRIDE], steps[-1]})
    if unmeasurable(original, "all"):
        return [score(step) for step in strided]
    entries: dict[int, dict] = {}
    for step in strided:
        entries[step] = score(step)
        ended = list(entries.values())[-TIMES:]
        if len(ended) == TIMES and all(left(entry, original) <= AT_CHANCE for entry in ended):
            break
    while (middle := next_between(steps, entries, original)) is not None:
        entries[middle] = score(middle)
    return [entries[step] for step in sorted(entries)]


def left(entry: dict, original: dict) -> float:
    return share(entry, original, "forget", "all")


def next_between(steps: list[int], entries: dict[int, dict], original: dict) -> int | None:
    """A checkpoint to be scored between two that are, None if all lie close enough or nothing lies between."""
    known = [(0, 1.0, 1.0)]
    known += [(s, left(entries[s], original), share(entries[s], original, "utility", "all")) for s in sorted(entries)]
    for (a, left_a, keep_a), (b, left_b, keep_b) in zip(known, known[1:], strict=False):
        between = [step for step in steps if a < step < b]
        far = left_a - left_b > FINE or (abs(keep_a - keep_b) > FINE and left_a > TO)
        if between and far:
            return between[len(between) // 2]
    return None
