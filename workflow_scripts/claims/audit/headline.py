"""What the text says of UOE's advantage, against Table 2 and the tables of its rivals."""

from pathlib import Path

import pandas

from claims.audit.lines import (
    QUANTITIES,
    Line,
    cell_name,
    consistency,
    difference_error,
    score_of_cell,
    table_name,
    uoe_pairs,
)
from evidence import published
from rendering import labels

NOISE = 1.96  # two-sided 95 %
RIVALS = (
    ("table4", "lora", "utility", 1),
    ("table4", "esft", "utility", 1),
    ("table6", "random", "forget_accuracy", -1),
)
TOPIC = "text against table"


def headline(scores: pandas.DataFrame) -> list[Line]:
    """ "Forget quality up to 5 % and utility by 35 %": the largest differences of Table 2."""
    pairs = uoe_pairs(scores)
    topic, where, lines = "headline", "abstract (v1, v2)", []
    for benchmark, group in pairs.groupby("benchmark", sort=False):
        best = group.loc[(group["fa_baseline"] - group["fa_uoe"]).idxmax()]
        gain = best.fa_baseline - best.fa_uoe
        text = f'"Forget quality up to 5 %": the largest drop of FA on {labels.benchmark(benchmark)} is '
        text += f"{100 * gain:.1f} points, {100 * gain / best.fa_baseline:.0f} % of the baseline's FA ({best['name']})"
        arithmetic = f"{best.fa_baseline:.4f} - {best.fa_uoe:.4f} = {gain:.4f}"
        lines.append(Line(topic, where, arithmetic, text, consistency(round(100 * gain) == 5)))
    gains = pairs["ut_uoe"] - pairs["ut_baseline"]
    best = pairs.loc[gains.idxmax()]
    gain = best.ut_uoe - best.ut_baseline
    share = gain / best.ut_baseline
    text = f'"Utility by 35 %" is in points, and the largest of {len(pairs)} differences ({best["name"]}): relative to '
    text += f"its baseline {100 * share:.0f} %; the median difference is {100 * gains.median():.1f} points"
    arithmetic = f"{best.ut_uoe:.4f} - {best.ut_baseline:.4f} = {gain:.4f}; / {best.ut_baseline:.4f} = {share:.3f}"
    return [*lines, Line(topic, where, arithmetic, text, consistency(35 <= 100 * gain < 36.5))]


def efficacy(scores: pandas.DataFrame) -> list[Line]:
    """ "Forgetting unaffected or slightly improved": in how many pairs of Table 2 FA is higher with UOE."""
    pairs = uoe_pairs(scores)
    change = pairs["fa_uoe"] - pairs["fa_baseline"]
    worse, worst = int((change > 0).sum()), pairs.loc[change.idxmax()]
    text = f"Forgetting is said to be unaffected or slightly improved; FA is higher with UOE in {worse} of {len(pairs)}"
    text += f" pairs, most in {worst['name']}"
    arithmetic = f"{worst.fa_uoe:.4f} - {worst.fa_baseline:.4f} = {change.max():+.4f}"
    where = "v1, section 5.2; v1 Table 2"
    return [Line(TOPIC, where, arithmetic, text, consistency(change.max() <= 0))]


def against_others(scores: pandas.DataFrame) -> list[Line]:
    """UOE is said to keep more utility than LoRA and ESFT, and to forget more than a random expert: every exception."""
    lines = []
    for table, scope, quantity, sign in RIVALS:
        rows = scores[(scores["table"] == table) & (scores["quantity"] == quantity)]
        others, exceptions = rows[rows["scope"] == scope], 0
        what = f"{labels.scope(scope)} in {QUANTITIES[quantity]}"
        for other in others.itertuples():
            cell = [other.model, other.benchmark, other.method, "uoe"]
            own = score_of_cell(rows, *cell, quantity)
            difference = own - float(other.printed)
            if sign * difference > 0:
                continue
            exceptions += 1
            error = difference_error(own, float(other.printed), other.benchmark, quantity)
            text = f"{cell_name(cell)} is said to do better than {what}; it does not"
            text += f" (one standard error of such a difference: {error:.4f})" if error else ""
            arithmetic = f"{own:.4f} - {other.printed} = {difference:+.4f}"
            lines.append(Line(TOPIC, f"v1, section 5.2; {table_name(table)}", arithmetic, text, "inconsistent"))
        arithmetic = f"{len(others) - exceptions} of {len(others)}"
        text, verdict = f"UOE does better than {what}: columns where it does", consistency(not exceptions)
        lines.append(Line(TOPIC, table_name(table), arithmetic, text, verdict))
    return lines


def strength_of_anchor(folder: Path) -> list[Line]:
    """alpha = 1 is said to be best: its lead over each other alpha against the sampling error of MMLU."""
    frame = published.read(folder, "table10")
    best = frame[frame["alpha"] == "1"].iloc[0]
    lines = []
    for row in frame[frame["alpha"] != "1"].itertuples():
        lead = float(best["utility"]) - float(row.utility)
        error = difference_error(float(best["utility"]), float(row.utility), "", "utility")
        text = f"α = 1 is called best; its lead over α = {row.alpha} is {lead / error:.1f} standard errors of a "
        text += "difference"
        arithmetic = f"({best['utility']} - {row.utility}) / {error:.4f} = {lead / error:.2f}"
        verdict = "consistent" if lead / error > NOISE else "within sampling error"
        lines.append(Line("sampling error", "v1, appendix D; v1 Table 10", arithmetic, text, verdict))
    return lines
