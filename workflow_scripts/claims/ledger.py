"""The ledger of claims as a table: each claim with its test, its effect and the verdicts of every world."""

import pandas

from claims.judging import NOT_RUN
from evidence.bootstrap import DRAWS, LEVEL
from evidence.matched import TOLERANCE
from rendering import notes
from rendering.table import Table, flat

TITLE = "Ledger of claims"
CAPTION = (
    "**Ledger of claims.** Sentences of the papers in our words, each with the test on results that decides it: holds, "
    "does not, or undecided, with effect size and interval."
)
WORLDS = ("micro", "paper")
NOTES = (
    "Claims are in our words; the test says which results decide. Holds: the whole interval of the effect lies beyond "
    "the margin that the test names, on the claimed side; does not hold: on the other side; else undecided. Where the "
    "test asks for every case or for the largest, the effect is that of the least or largest one and its interval so "
    "wide that those of all cases hold at once. With one seed nothing is decided. Not run: the study has no such "
    "cells. Nothing is corrected for the number of claims.",
    f"Interval: middle {LEVEL:g} % of {DRAWS:,} bootstrap draws of seeds and of questions, paired by both; with one "
    "seed of questions alone, so that variation between trainings is not in it; few seeds are widened as by Student's "
    "t. Questions are drawn as if independent, though some ask for one fact in two wordings.",
    "Scores at the checkpoint of the best balance, on the reported half of each test, as in Table 2; equal FA: within "
    f"{100 * TOLERANCE:g} points on the other half; at FA ≈ 0.25: only of runs that reached it and did not overshoot. "
    "† a checkpoint of these has collapsed: it counts as having forgotten nothing. TRACE is a reconstruction (table "
    "trace).",
)
COLUMNS = ("id", "source", "claim", "test", "verdict", "effect", "low", "high", "unit", "of", "cases", "collapsed",
           "note")  # fmt: skip


def effect_text(row: dict) -> str:
    """+12.3 points [+8.0, +16.1]; least: GA+UOE, Qwen (WMDP)."""
    if row["effect"] is None:
        return row["note"]
    scale, digits = (100, 1) if row["unit"] == "points" else (1, 3)
    text = f"{scale * row['effect']:+.{digits}f} {row['unit']}"
    if row["low"] is not None:
        text += f" [{scale * row['low']:+.{digits}f}, {scale * row['high']:+.{digits}f}]"
    return "; ".join([text, row["of"], *([f"† {row['note']}"] if row["note"] else [])])


def verdicts(rows: list[dict], settings: dict) -> dict:
    return {"world": settings["world"], "seeds": settings["seeds"], "claims": {row["id"]: row for row in rows}}


def table(rows: list[dict], settings: dict, others: list[dict]) -> Table:
    """rows: of `judging.judged`; others: claims.json of other studies."""
    own = settings["world"]
    by_world = {other["world"]: other["claims"] for other in others} | {own: {row["id"]: row for row in rows}}
    texts = {
        "Claim": [row["claim"] for row in rows],
        "Source": [row["source"] for row in rows],
        "Test": [row["test"] for row in rows],
        f"Effect ({own})": [effect_text(row) for row in rows],
    }
    for world in dict.fromkeys((own, *WORLDS, *by_world)):
        claims = by_world.get(world, {})
        texts[f"Verdict ({world})"] = [claims.get(row["id"], {}).get("verdict", NOT_RUN) for row in rows]
    wide = flat(pandas.DataFrame(texts), (0.2, 0.12, 0.22, 0.2) + (0.09,) * (len(texts) - 4))
    frame = pandas.DataFrame(rows)[list(COLUMNS)].assign(world=own)
    counts = ", ".join(f"{n} {verdict}" for verdict, n in frame["verdict"].value_counts().items())
    return Table(TITLE, frame, wide, [f"{len(rows)} claims, {own}: {counts}.", *NOTES, notes.world(settings)])
