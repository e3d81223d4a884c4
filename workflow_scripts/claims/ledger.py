"""The ledger of claims as a table: each claim with its test, its effect and the verdicts of every world."""

import pandas

from claims.cases import ARITHMETIC, FORGET, KEEP, OVERLAP, RESULT
from claims.curves import LEAST_SPAN
from claims.judging import NOT_RUN, SAME
from rendering import notes
from rendering.table import Table, flat

TITLE = "Ledger of claims"
CAPTION = (
    "**Ledger of claims.** Sentences of the papers in our words, each with the test on results that decides it: holds, "
    "does not, no difference beyond a bound, or undecided, with effect size, interval and the smallest effect that "
    "would have been seen."
)
WORLDS = ("micro", "paper")
NAMES = {RESULT: "decided by results", ARITHMETIC: "by arithmetic"}
NOTES = (
    "Claims are in our words; the test says which results decide. Ours: no paper's, but this project's. Holds: the "
    "whole interval of the effect lies beyond the margin that the test names, on the claimed side; does not hold: on "
    "the other side. No difference: neither, and two one-sided tests (5 % each) place the effect within the bound that "
    "the claim declares, that of every case where the claim is not about their mean. Else undecided. With one seed "
    "nothing is decided. Not run: the study has no such cells. Nothing is corrected for the number of claims. "
    "(arithmetic): follows from the models' sizes; no run can change it.",
    "Where the test asks for every case, the effect is the least case's: its lower limit is the lowest of the cases' "
    "own limits (the claim holds if each case is over the margin by itself), its upper limit the lowest of those that "
    "hold for all cases at once (Holm's first step). Where it asks for some case, the effect is the largest one's, the "
    "same turned round. A mean is taken within each seed first.",
    "Smallest effect: the distance from the margin at which one case would have been seen beyond it with 80 % power, "
    "if its spread over seeds is that of the noisiest case (one-sided t test, corrected for the number of cases).",
    "Kept utility: Keep averaged over Left from .9 to .1 (see table trade_off), no checkpoint chosen; two runs are "
    f"compared over the span of Left that both reached in each seed, if it is at least {LEAST_SPAN:g} of the .8 long; "
    "span: its mean length. A pair of runs with less in common is left out and named; with fewer than half of a "
    "claim's cases nothing is decided. Points are hundredths of Keep, of UT, FA or overlap. Where a test names a "
    "table, scores are at the checkpoints of that table. † a checkpoint of these has collapsed: it counts as having "
    "forgotten nothing. TRACE is a reconstruction (table trace).",
    f"Bounds of no difference, declared before these seeds were run: {100 * KEEP:g} points of Keep, kept utility and "
    f"UT (a third of the papers' 10-point red line), {100 * FORGET:g} of FA (the smallest gain that the papers "
    f"announce), {100 * OVERLAP:g} of overlap (half of what is called a shift here).",
)
COLUMNS = ("id", "source", "claim", "kind", "test", "verdict", "effect", "low", "high", "smallest", "equivalence",
           "unit", "of", "span", "cases", "intended", "seeds", "collapsed", "note")  # fmt: skip


def amount(row: dict, number: float, sign: str = "+") -> str:
    """A number in the row's unit; points are hundredths."""
    scale, digits = (100, 1) if row["unit"] == "points" else (1, 3)
    return f"{scale * number:{sign}.{digits}f}"


def effect_text(row: dict) -> str:
    """+12.3 points [+8.0, +16.1]; least: GA+UOE, Qwen (WMDP)."""
    if row["effect"] is None:
        return row["note"]
    text = f"{amount(row, row['effect'])} {row['unit']}"
    if row["low"] is not None:
        text += f" [{amount(row, row['low'])}, {amount(row, row['high'])}]"
    span = "" if row["span"] is None else f" (span {row['span']:.2f})"
    return "; ".join([text, row["of"] + span, *([row["note"]] if row["note"] else [])])


def smallest_text(row: dict) -> str:
    return "" if row["smallest"] is None else f"{amount(row, row['smallest'], '')} {row['unit']}"


def verdict_text(row: dict) -> str:
    """The verdict; no difference names its bound."""
    text = row.get("verdict", NOT_RUN)
    if text == SAME:
        text += f" beyond ±{amount(row, row['equivalence'], '')} {row['unit']}"
    return text + " (arithmetic)" * (row.get("kind") == ARITHMETIC)


def counts(rows: list[dict], own: str) -> str:
    """How many claims got which verdict, those that follow from sizes apart."""
    said = []
    for kind, group in pandas.DataFrame(rows).groupby("kind", sort=False):
        verdicts = ", ".join(f"{n} {verdict}" for verdict, n in group["verdict"].value_counts().items())
        said.append(f"{len(group)} {NAMES[kind]}: {verdicts}")
    return f"{len(rows)} claims, {own}. {'; '.join(said)}."


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
        "Smallest effect": [smallest_text(row) for row in rows],
    }
    for world in dict.fromkeys((own, *WORLDS, *by_world)):
        claims = by_world.get(world, {})
        texts[f"Verdict ({world})"] = [verdict_text(claims.get(row["id"], {})) for row in rows]
    wide = flat(pandas.DataFrame(texts), (0.19, 0.11, 0.2, 0.2, 0.08) + (0.09,) * (len(texts) - 5))
    frame = pandas.DataFrame(rows)[list(COLUMNS)].assign(world=own)
    texts = [counts(rows, own), notes.intervals(settings), *NOTES, notes.world(settings)]
    return Table(TITLE, frame, wide, texts)
