"""Collapse: the model no longer answers the question.

Judged on the tests of what should survive (`evaluating.SURVIVING`): a model that refuses, or says one thing, to every
question about what it was to forget has not collapsed.
"""

import hashlib
from collections import Counter

SHARE = 0.9  # one option, one string, or answers that ignore the question: over this share is collapse
REPEATING = 0.5  # generations with an n-gram repeated in a row: over this share is collapse
LONGEST, TIMES = 4, 3  # an n-gram of up to LONGEST tokens, TIMES in a row
SAMPLE = 128  # questions asked again with another question's text: a standard error of 2.7 points at 90 %


def sample(questions: list[str]) -> list[int]:
    """Indices of up to SAMPLE questions, in the order of their hashes: the same ones for every model and step."""
    indices = range(len(questions))
    return sorted(sorted(indices, key=lambda index: hashlib.sha256(questions[index].encode()).digest())[:SAMPLE])


def swapped(questions: list[str], facts: list[str]) -> list[str]:
    """The questions rotated by the smallest shift that leaves none where its own fact is asked.

    Shifts are tried from half the length on, since neighbours in a file are often about the same thing. Ends with one
    line if every shift leaves one in place (almost all questions are about one fact).
    """
    n = len(questions)
    for shift in [*range(n // 2, n), *range(1, n // 2)]:
        turned = facts[shift:] + facts[:shift]
        if shift and all(new != old for new, old in zip(turned, facts, strict=True)):
            return questions[shift:] + questions[:shift]
    raise SystemExit(f"collapse check: the {n} questions of a test can't be swapped, too many are about one fact")


def letters_collapse(chosen: list[int]) -> tuple[float, str | None]:
    """Share of the commonest option among answers to lettered questions, and what is wrong if it is too high."""
    share = Counter(chosen).most_common(1)[0][1] / len(chosen)
    return share, f"{share:.0%} of the answers are one letter" if share > SHARE else None


def swap_collapse(chosen: list[int], chosen_swapped: list[int]) -> tuple[float, str | None]:
    """Share of option-text answers that stay when the question is another's, and what is wrong if it is too high."""
    share = sum(a == b for a, b in zip(chosen, chosen_swapped, strict=True)) / len(chosen)
    return share, f"{share:.0%} of the answers stay when the question is swapped" if share > SHARE else None


def repeats(tokens: list[int]) -> bool:
    """Whether an n-gram (n <= LONGEST) occurs TIMES in a row. Of token ids, so that "ababab" counts too."""
    for size in range(1, LONGEST + 1):
        run = 0
        for left, right in zip(tokens, tokens[size:], strict=False):
            run = run + 1 if left == right else 0
            if run == size * (TIMES - 1):
                return True
    return False


def generation_collapse(texts: list[str], tokens: list[list[int]]) -> tuple[dict[str, float], list[str]]:
    """Shares of repeating generations and of the commonest string, and what is wrong if they are too high."""
    repeating = sum(map(repeats, tokens)) / len(tokens)
    same = Counter(texts).most_common(1)[0][1] / len(texts)
    reasons = [f"{repeating:.0%} of the generations repeat themselves"] if repeating > REPEATING else []
    reasons += [f"{same:.0%} of the generations are one string"] if same > SHARE else []
    return {"repeating": repeating, "one_string": same}, reasons
