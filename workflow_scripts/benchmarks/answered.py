"""What a test hands back, and what kind of answer a reply in free text is."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.collapse import repeats

KINDS = ("right", "other", "empty", "repeating", "refusing")
RIGHT = 0.5  # ROUGE-L (recall, or F1 in MUSE's tests) from which a reply counts as right
REFUSALS = (  # anywhere in a reply, whatever the case; ' stands for both apostrophes
    "I don't know", "I do not know", "I'm not sure", "I am not sure", "I'm sorry", "I am sorry", "I cannot", "I can't",
    "I am unable", "I'm unable", "I have no information", "I don't have", "I do not have", "as an AI", "not aware of",
    "unknown",
)  # fmt: skip
_REFUSAL = re.compile(rf"\b(?:{'|'.join(map(re.escape, REFUSALS))})\b".replace("'", "['’]"), re.IGNORECASE)


@dataclass(frozen=True)
class Answered:
    """scores: by half, as `scores.by_half`; rows: one a question, for predictions.jsonl; parts: further scores by
    name; measures, reasons: of collapse; kinds: shares of what the questions are answered with, which sum to 1."""

    scores: dict
    rows: list[dict]
    parts: dict = field(default_factory=dict)
    measures: dict[str, float] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    kinds: dict[str, float] = field(default_factory=dict)


def kind_of(text: str, tokens: list[int], score: float) -> str:
    """One of KINDS, the first that fits: right (score >= RIGHT), empty (no letter or digit), repeating (an n-gram three
    times in a row), refusing (one of REFUSALS), other (any other answer)."""
    if score >= RIGHT:
        return "right"
    if not re.search(r"\w", text):
        return "empty"
    if repeats(tokens):
        return "repeating"
    return "refusing" if _REFUSAL.search(text) else "other"


def shares(kinds: Iterable[str], names: tuple[str, ...] = KINDS) -> dict[str, float]:
    """Share of each name among `kinds` (at least one)."""
    counts = Counter(kinds)
    return {name: counts[name] / counts.total() for name in names}
