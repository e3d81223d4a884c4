"""The two halves of every test: one to choose on (learning rates, checkpoints), the other to report."""

import hashlib

HALVES = ("development", "test")


def half(question: str) -> str:
    """Half that a question belongs to, by its text alone: the same on every machine, and for every copy of it."""
    return HALVES[hashlib.sha256(question.encode()).digest()[0] % 2]
