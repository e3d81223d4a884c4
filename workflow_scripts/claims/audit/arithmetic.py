"""Printed shares that no count gives, and scores of a model that always gives the same answer, or that guesses."""

import math
from pathlib import Path

import pandas

from claims.audit.lines import CELL, CHANCE, MMLU_QUESTIONS, QUESTIONS, Line, model_name, name_of, table_name
from evidence import published
from rendering import labels

LOOKS = "looks like a constant answer"
AT_FORGET_ACCURACY = ("table5", "table7", "v2_table2", "v2_table7")  # their FA is not a number but "~0.25"


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
            lines.append(Line("possible counts", table_name(row.table), arithmetic, text, "cannot be"))
    n = QUESTIONS["wmdp-cyber"]
    text = (
        f"FA on WMDP-cyber as k/{n}: values that rounding gives, that cutting gives, that neither gives. Some k gives "
        f"{n / 10**4:.0%} of all strings of four digits by rounding, so this is a test; another number of questions, "
        "or a mean over runs, would explain the last"
    )
    arithmetic = f"{rounded} rounded, {truncated} cut, {len(lines)} neither, of {len(rows)}"
    return [*lines, Line("possible counts", "all tables", arithmetic, text, "cannot be" if lines else "consistent")]


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
        lines.append(Line("possible counts", "v2 Table 8", f"{k}/{n} = {k / n:.4f}", text, verdict))
    return lines


def utilities(folder: Path, scores: pandas.DataFrame) -> list[tuple[str, str, str]]:
    """(name, where, printed) of every utility after unlearning, each cell once."""
    places = {}
    rows = scores[(scores["quantity"] == "utility") & (scores["method"] != "original")]
    for row in rows.itertuples():
        places.setdefault((name_of(row), row.printed), []).append(table_name(row.table))
    for name in AT_FORGET_ACCURACY:
        for row in published.read(folder, name).to_dict("records"):
            which = ", ".join(f"{key} {row[key]}" for key in ("placement", "experts", "layer_rank") if key in row)
            cell = f"{model_name(row['model'])} ({labels.benchmark(row['benchmark'])}) UOE, {which}"
            places.setdefault((cell, row["utility"]), []).append(table_name(name))
    for row in published.read(folder, "text_values").itertuples():
        if row.quantity == "utility" and row.scope == "uoe-all-layers":
            cell = f"{model_name(row.model)} ({labels.benchmark(row.benchmark)}) one expert in every layer"
            places.setdefault((cell, row.value), []).append(row.place)
    return [(name, ", ".join(dict.fromkeys(where)), printed) for (name, printed), where in places.items()]


def letters(folder: Path, scores: pandas.DataFrame) -> list[Line]:
    """Utilities that are what a model scores on MMLU that always answers the same letter."""
    constant = published.read(folder, "mmlu_letters")
    error = math.sqrt(CHANCE * (1 - CHANCE) / MMLU_QUESTIONS)
    lines, every = [], utilities(folder, scores)
    for name, where, printed in every:
        distances = {row.letter: float(printed) - float(row.accuracy) for row in constant.itertuples()}
        letter = min(distances, key=lambda key: abs(distances[key]))
        score = constant[constant["letter"] == letter]["accuracy"].iloc[0]
        distance = distances[letter]
        if abs(distance) > error + 1e-9:
            continue
        nearness = "is" if abs(distance) < 0.00005 else "is within a standard error of"
        text = f"{name}: UT {printed} {nearness} the score of always answering {letter} ({score})"
        arithmetic = f"{printed} - {score} = {distance:+.4f}; standard error of a constant answer {error:.4f}"
        lines.append(Line("constant answers", where, arithmetic, text, LOOKS))
    accuracies = constant["accuracy"].astype(float)
    spread = float(accuracies.max()) - float(accuracies.min())
    text = f"Utilities after unlearning that lie at a constant letter's score, of {len(every)} printed ones"
    arithmetic = f"{len(lines)} of {len(every)}; the four letters' scores span {spread:.4f}"
    return [*lines, Line("constant answers", "all tables", arithmetic, text, LOOKS if lines else "consistent")]


def forget_near_chance(scores: pandas.DataFrame) -> list[Line]:
    """FA on a four-option test that guessing, or one letter, would give as well."""
    n = QUESTIONS["wmdp-cyber"]
    error = math.sqrt(CHANCE * (1 - CHANCE) / n)
    rows = scores[(scores["quantity"] == "forget_accuracy") & (scores["benchmark"] == "wmdp-cyber")]
    rows = rows[rows["method"] != "original"].drop_duplicates([*CELL, "printed"])
    near = rows[(rows["printed"].astype(float) - CHANCE).abs() <= 2 * error]
    text = f"FA on WMDP after unlearning within two standard errors of guessing, of {len(rows)} printed ones. A model "
    text += "that answers no question scores so, too, and no table says how the answers are spread"
    arithmetic = f"{len(near)} of {len(rows)} in 0.25 ± 2 x {error:.4f} (n = {n})"
    verdict = "cannot be told apart" if len(near) else "consistent"
    return [Line("constant answers", "all tables", arithmetic, text, verdict)]
