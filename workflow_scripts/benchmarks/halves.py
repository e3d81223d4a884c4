"""The two halves of every test, split by fact: what is chosen on one of them is reported on the other.

All questions about a fact lie in one half. A test's rows may say which fact they ask (column `fact`) and its half
(column `half`), as generated tests do; otherwise the question itself is the fact, and a hash of the fact says the half.
"""

import hashlib

HALVES = ("development", "test")


def half(fact: str) -> str:
    """Half that a fact belongs to, by its text alone: the same on every machine, and for every question about it."""
    return HALVES[hashlib.sha256(fact.encode()).digest()[0] % 2]


def placed(row: dict, fact: str, file: object) -> dict:
    """The row of a test with its columns `fact` and `half`. fact: the fact that it asks, where the row has no column.

    Ends with one line if the row's half is none of HALVES.
    """
    fact = str(row.get("fact") or fact)
    own = row.get("half") or half(fact)
    if own not in HALVES:
        raise SystemExit(f"{file}: half {own!r} of fact {fact!r} is none of {', '.join(HALVES)}")
    return row | {"fact": fact, "half": own}
