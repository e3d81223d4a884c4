"""Printed shares that no count gives."""

import math
from pathlib import Path

import pandas

from claims.audit.lines import CELL, QUESTIONS, Line, name_of, table_name
from evidence import published

TOPIC = "possible counts"


def counts_of_questions(scores: pandas.DataFrame) -> list[Line]:
    """Accuracies that no number of right answers gives: k / n, rounded or truncated to the printed digits."""
    lines, rounded, truncated = [], 0, 0
    rows = scores[(scores["quantity"] == "forget_accuracy") & scores["benchmark"].isin(QUESTIONS)]
    rows = rows.drop_duplicates([*CELL, "printed"])
    for row in rows.itertuples():
        n, digits = QUESTIONS[row.benchmark], len(row.printed.partition(".")[2])
        middle, unit = round(float(row.printed) * n), 10**digits
        shares = [k / n for k in (middle - 1, middle, middle + 1)]
        if any(f"{share:.{digits}f}" == row.printed for share in shares):
            rounded += 1
        elif any(f"{math.floor(share * unit) / unit:.{digits}f}" == row.printed for share in shares):
            truncated += 1
        else:
            low, high = math.floor(float(row.printed) * n), math.ceil(float(row.printed) * n)
            text = f"{name_of(row)}: no number of right answers out of {n} gives FA {row.printed}, neither rounded nor "
            text += "cut"
            arithmetic = f"{low}/{n} = {low / n:.6f}, {high}/{n} = {high / n:.6f}"
            lines.append(Line(TOPIC, table_name(row.table), arithmetic, text, "cannot be"))
    n = QUESTIONS["wmdp-cyber"]
    text = (
        f"FA on WMDP-cyber as k/{n}: values that rounding gives, that cutting gives, that neither gives. Some k gives "
        f"{n / 10**4:.0%} of all strings of four digits by rounding, so this is a test; another number of questions, "
        "or a mean over runs, would explain the last"
    )
    arithmetic = f"{rounded} rounded, {truncated} cut, {len(lines)} neither, of {len(rows)}"
    return [*lines, Line(TOPIC, "all tables", arithmetic, text, "cannot be" if lines else "consistent")]


def expert_overlaps(folder: Path, counts: dict[str, dict]) -> list[Line]:
    """Version 2's Table 8: shares of the top-6 experts of every MoE layer, so multiples of 1 / (6 x layers)."""
    lines = []
    for row in published.read(folder, "v2_table8").itertuples():
        if row.model not in counts:
            continue
        n, digits = 6 * counts[row.model]["sizes"]["moe_layers"], len(row.top6_overlap.partition(".")[2])
        k = round(float(row.top6_overlap) * n)
        text = f"Overlap {row.top6_overlap} of the top-6 experts ({row.pair}): {k} of {n}"
        verdict = "consistent" if f"{k / n:.{digits}f}" == row.top6_overlap else "cannot be"
        lines.append(Line(TOPIC, "v2 Table 8", f"{k}/{n} = {k / n:.4f}", text, verdict))
    return lines
