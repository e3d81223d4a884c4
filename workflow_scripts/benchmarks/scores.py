"""A test's score with its context: n, standard error, chance, answer counts, baselines, subjects."""

import math
from collections import Counter, defaultdict

from benchmarks.halves import HALVES

# what a score of multiple choice has, in the other scores
NO_OPTIONS = dict.fromkeys(("probability", "probability_stderr", "answers", "constant", "by_subject", "macro"))


def mean_by_fact(values: list[float], facts: list[str], parts: list[str] | None = None) -> tuple[float, float | None]:
    """Mean over questions, and its standard error counted by fact; None where there is one fact.

    The questions about one fact are one cluster: the error is sqrt(G / (G - 1) * sum over facts of u^2), where u is the
    sum of the weighted deviations of the fact's questions and G the number of facts (Liang and Zeger, 1986). parts: the
    part of the test that each question stands in (RWKU's levels); the mean is then that of the parts' means.
    """
    parts = parts or [""] * len(values)
    of_part = defaultdict(list)
    for value, part in zip(values, parts, strict=True):
        of_part[part].append(value)
    means = {part: math.fsum(own) / len(own) for part, own in of_part.items()}
    sums = defaultdict(float)
    for value, fact, part in zip(values, facts, parts, strict=True):
        sums[fact] += (value - means[part]) / (len(of_part[part]) * len(means))
    mean, count = math.fsum(means.values()) / len(means), len(sums)
    if count < 2:
        return mean, None
    return mean, math.sqrt(count / (count - 1) * math.fsum(total**2 for total in sums.values()))


def accuracy(answers: list[dict]) -> dict | None:
    """Score of multiple-choice answers, None without any; both standard errors are counted by fact.

    answers: dicts with `chosen` and `gold` (option indices), `correct` (lm-eval's 0.0 or 1.0), `probability` (of the
    right option among the options), `fact`, `options` (how many) and `subject` (or None). In the result `n` counts
    questions, `facts` facts, `answers` the options chosen; `constant` is the accuracy of always choosing option i,
    `macro` the mean over subjects, `probability` the mean probability of the right option.
    """
    if not answers:
        return None
    n, facts = len(answers), [answer["fact"] for answer in answers]
    value, error = mean_by_fact([answer["correct"] for answer in answers], facts)
    probability, probability_error = mean_by_fact([answer["probability"] for answer in answers], facts)
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
        "stderr": error,
        "n": n,
        "facts": len(set(facts)),
        "chance": math.fsum(1 / answer["options"] for answer in answers) / n,
        "probability": probability,
        "probability_stderr": probability_error,
        "answers": [chosen[option] for option in options],
        "constant": [gold[option] / n for option in options],
        "by_subject": by_subject if named else None,
        "macro": math.fsum(row["value"] for row in by_subject.values()) / len(by_subject) if named else None,
    }


def mean_recall(recalls: list[float], facts: list[str], parts: list[str] | None = None) -> dict | None:
    """Mean ROUGE-L recall over probes or, with `parts`, mean of the parts' means."""
    return mean_score(recalls, facts, "rougeL_recall", parts)


def mean_score(values: list[float], facts: list[str], metric: str, parts: list[str] | None = None) -> dict | None:
    """Mean over probes as `mean_by_fact`; None without probes. Chance is 0."""
    if not values:
        return None
    value, error = mean_by_fact(values, facts, parts)
    counts = {"n": len(values), "facts": len(set(facts)), "chance": 0.0}
    return {"metric": metric, "value": value, "stderr": error} | counts | NO_OPTIONS


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
