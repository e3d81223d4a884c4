"""Collapse: the model no longer answers the question. A low score then means damage, not forgetting."""

import hashlib
from collections import Counter

SHARE = 0.9  # one option, one string, or answers that ignore the question: over this share is collapse
REPEATING = 0.5  # generations with an n-gram repeated in a row: over this share is collapse
LONGEST, TIMES = 4, 3  # an n-gram of up to LONGEST tokens, TIMES in a row
SAMPLE = 128  # questions asked again with another question's text: a standard error of 2.7 points at 90 %


def judged(questions: list[str], halves: list[str]) -> list[int]:
    """Indices of the questions that collapse is judged on: the development half, where it was evaluated.

    The choice of a checkpoint depends on the collapse flag, so the flag must not depend on the reported half.
    """
    development = [index for index, half in enumerate(halves) if half == "development"]
    return development or list(range(len(questions)))


def sample(questions: list[str], indices: list[int]) -> list[int]:
    """Up to SAMPLE of the indices, in the order of a hash of the question: the same ones for every model and step."""
    return sorted(sorted(indices, key=lambda index: hashlib.sha256(questions[index].encode()).digest())[:SAMPLE])


def swapped(questions: list[str]) -> list[str]:
    """The list rotated by the smallest shift that leaves no question in its place.

    Shifts are tried from half the length on, since neighbours in a file are often about the same thing. Ends with one
    line if every shift leaves one in place (almost all questions are equal).
    """
    n = len(questions)
    for shift in [*range(n // 2, n), *range(1, n // 2)]:
        turned = questions[shift:] + questions[:shift]
        if shift and all(new != old for new, old in zip(turned, questions, strict=True)):
            return turned
    raise SystemExit(f"collapse check: the {n} questions of a test can't be swapped, too many of them are equal")


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
