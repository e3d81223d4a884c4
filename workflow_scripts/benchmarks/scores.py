"""A test's score with its context: n, standard error, chance, answer counts, baselines, subjects."""

import math
from collections import Counter, defaultdict

from benchmarks.halves import HALVES


def accuracy(answers: list[dict]) -> dict | None:
    """Score of multiple-choice answers, None without any; `stderr` is binomial, sqrt(p (1 - p) / n).

    answers: dicts with `chosen` and `gold` (option indices), `correct` (lm-eval's 0.0 or 1.0), `options` (how many)
    and `subject` (or None). In the result `answers` counts the options chosen, `constant` is the accuracy of always
    choosing option i, `macro` the mean over subjects.
    """
    if not answers:
        return None
    n = len(answers)
    value = math.fsum(answer["correct"] for answer in answers) / n
    chosen, gold = (Counter(answer[key] for answer in answers) for key in ("chosen", "gold"))
    options = range(max(answer["options"] for answer in answers))
    subjects = defaultdict(list)
    for answer in answers:
        subjects[answer["subject"]].append(answer["correct"])
    by_subject = {name: {"value": math.fsum(got) / len(got), "n": len(got)} for name, got in subjects.items()}
    named = None not in subjects
    return {
        "metric": "acc",
        "value": value,
        "stderr": math.sqrt(value * (1 - value) / n),
        "n": n,
        "chance": math.fsum(1 / answer["options"] for answer in answers) / n,
        "answers": [chosen[option] for option in options],
        "constant": [gold[option] / n for option in options],
        "by_subject": by_subject if named else None,
        "macro": math.fsum(row["value"] for row in by_subject.values()) / len(by_subject) if named else None,
    }


def mean_recall(recalls: list[float]) -> dict | None:
    """Mean ROUGE-L recall over probes."""
    return mean_score(recalls, "rougeL_recall")


def mean_score(values: list[float], metric: str) -> dict | None:
    """Mean over probes with the standard error of the mean (None for one); None without probes. Chance is 0."""
    if not values:
        return None
    n, value = len(values), math.fsum(values) / len(values)
    variance = math.fsum((one - value) ** 2 for one in values) / (n - 1) if n > 1 else None
    stderr = None if variance is None else math.sqrt(variance / n)
    plain = {"answers": None, "constant": None, "by_subject": None, "macro": None}
    return {"metric": metric, "value": value, "stderr": stderr, "n": n, "chance": 0.0, **plain}


def mean_of_means(scores: list[dict | None]) -> dict | None:
    """Mean of the scores of a test's parts (RWKU's levels) with equal weights; None where a part has no probe."""
    if not scores or None in scores:
        return None
    errors = [score["stderr"] for score in scores]
    stderr = None if None in errors else math.sqrt(math.fsum(error**2 for error in errors)) / len(errors)
    mean = math.fsum(score["value"] for score in scores) / len(scores)
    return scores[0] | {"value": mean, "stderr": stderr, "n": sum(score["n"] for score in scores)}


def by_half(answers: list[dict], halves: list[str], score) -> dict[str, dict]:
    """`score` of the answers of each half and, where both were asked, of all. A half without any is left out."""
    parts = {name: score([answer for answer in answers if answer["half"] == name]) for name in halves}
    if set(halves) == set(HALVES):
        parts["all"] = score(answers)
    return {name: part for name, part in parts.items() if part is not None}


def privacy_leakage(auc: float, retrained: float) -> float:
    """MUSE's PrivLeak, (AUC - AUC_retrained) / AUC_retrained in percent: 0 is best, below 0 too little is forgotten,
    above 0 too much."""
    return 100.0 * (auc - retrained) / retrained
