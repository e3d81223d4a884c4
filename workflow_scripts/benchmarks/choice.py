"""The rule by which one checkpoint of a cell is shown: the same for every scope, corrected for chance. Standard library
only.

The checkpoint with the largest Keep - Left (curve.py) is taken, step 0 excluded, ties to the earlier step: chosen on
one half of the questions and reported on the other, then the reverse, and both averaged, so that all questions count.
"""

from itertools import zip_longest
from pathlib import Path

from benchmarks.curve import share
from benchmarks.halves import HALVES

TESTS = ("forget", "utility")
OVERSHOT = 0.20  # a forget accuracy below this is too low for a table at "FA ~ 0.25"


def checked(metrics: dict, path: Path | str) -> list[dict]:
    """Checkpoints of a metrics.json in step order; ends with one line if there is none, or a half was not scored."""
    checkpoints = sorted(metrics.get("checkpoints", []), key=lambda entry: entry["step"])
    if not checkpoints:
        raise SystemExit(f"{path}: checkpoints: there is none")
    for entry in checkpoints:
        for name in TESTS:
            for half in (*HALVES, "all"):
                if half not in entry[name]:
                    raise SystemExit(
                        f"{path}: step {entry['step']}: {name} was not scored on {half!r} "
                        f"(scored: {', '.join(entry[name]) or 'nothing'})"
                    )
    return checkpoints


def keep_and_left(entry: dict, original: dict, half: str) -> tuple[float, float]:
    """(Keep, Left) of a checkpoint on `half`."""
    return share(entry, original, "utility", half), share(entry, original, "forget", half)


def best_balance(checkpoints: list[dict], original: dict, half: str) -> dict:
    """The checkpoint with the largest Keep - Left on `half`. Step 0, the untouched model, is no candidate."""

    def rank(entry: dict) -> tuple[float, int]:
        keep, left = keep_and_left(entry, original, half)
        return -round(keep - left, 12), entry["step"]  # rounded: the last bit must not decide a tie

    return min((entry for entry in checkpoints if entry["step"] > 0), key=rank)


def other(half: str) -> str:
    (rest,) = set(HALVES) - {half}
    return rest


def mean_of_halves(scores: list[dict]) -> dict:
    """Mean of the halves' scores. No fact stands in both, so their errors are independent."""
    errors = [score["stderr"] for score in scores]
    stderr = None if None in errors else sum(error**2 for error in errors) ** 0.5 / len(errors)
    means = {key: sum(score[key] for score in scores) / len(scores) for key in ("value", "chance")}
    together = {"metric": scores[0]["metric"], "n": sum(score["n"] for score in scores), "stderr": stderr} | means
    if all(score["answers"] for score in scores):  # how often each option was chosen
        together["answers"] = [sum(counts) for counts in zip_longest(*(s["answers"] for s in scores), fillvalue=0)]
    return together
