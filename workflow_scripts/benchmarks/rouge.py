"""ROUGE-L of a generated answer, by the two definitions in use. They differ: say which one a number follows."""

from collections.abc import Callable
from functools import cache

NO_ANSWER = "NOANSWER"  # what RWKU scores in place of an empty generation


def _common_subsequence(reference: list[str], words: list[str]) -> list[str]:
    """A longest common subsequence; among equally long ones the one that the `rouge` package finds."""
    length = [[0] * (len(words) + 1) for _ in range(len(reference) + 1)]
    for i, left in enumerate(reference, start=1):
        for j, right in enumerate(words, start=1):
            length[i][j] = length[i - 1][j - 1] + 1 if left == right else max(length[i - 1][j], length[i][j - 1])
    i, j, common = len(reference), len(words), []
    while i and j:
        if reference[i - 1] == words[j - 1]:
            i, j = i - 1, j - 1
            common.append(reference[i])
        elif length[i - 1][j] > length[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return common[::-1]


def _sentences(text: str) -> list[list[str]]:
    return [" ".join(part.split()).split(" ") for part in text.split(".") if part]


def rouge_recall(reference: str, generated: str) -> float:
    """Recall as in PyPI `rouge` 1.0.1 (`get_scores(...)["rouge-l"]["r"]`), which RWKU uses; in [0, 1].

    Words are split at white space, case-sensitive, with their punctuation; a full stop ends a sentence. Counted are
    distinct words: those of the reference in a longest common subsequence of one of its sentences and one generated
    sentence, over all of the reference's.
    """
    truth, answer = _sentences(reference), _sentences(generated) or _sentences(NO_ANSWER)
    matches = {word for sentence in truth for words in answer for word in _common_subsequence(sentence, words)}
    words = {word for sentence in truth for word in sentence}
    return len(matches) / len(words) if words else 0.0


def rouge_score_recall(reference: str, generated: str) -> float:
    """Recall of rougeL in PyPI `rouge-score` (open-unlearning, MUSE): lower case, no punctuation; in [0, 1]."""
    return _scorer().score(reference, generated)["rougeL"].recall


def rouge_score_f1(reference: str, generated: str) -> float:
    """F1 of rougeL in PyPI `rouge-score`, without stemmer (MUSE); in [0, 1]."""
    return _scorer().score(reference, generated)["rougeL"].fmeasure


@cache
def _scorer() -> object:
    from rouge_score import rouge_scorer

    return rouge_scorer.RougeScorer(["rougeL"])


RECALLS: dict[str, Callable[[str, str], float]] = {"rouge": rouge_recall, "rouge_score": rouge_score_recall}
