"""What the audit reads of the papers' score tables, and what single scores say: constant answers, chance, possible
counts."""

import math
from dataclasses import dataclass
from pathlib import Path

import pandas

from evidence import published
from rendering import labels

CELL = ["model", "benchmark", "method", "scope"]
QUANTITIES = {"forget_accuracy": "FA", "utility": "UT"}
TABLES = ("table1", "table2", "table4", "table6", "table10", "v2_table9")
AT_FORGET_ACCURACY = ("table5", "table7", "v2_table2", "v2_table7")  # their FA is not a number but "~0.25"
QUESTIONS = {"wmdp-cyber": 1987}  # of the forget test; RWKU's score is no accuracy
MMLU_QUESTIONS = 14042
CHANCE = 0.25


@dataclass(frozen=True)
class Line:
    """One finding. arithmetic: computed from the files; verdict: consistent, inconsistent, cannot be, …"""

    topic: str
    where: str
    arithmetic: str
    says: str
    verdict: str


def table_name(name: str) -> str:
    """table2 -> v1 Table 2, v2_table9 -> v2 Table 9."""
    version, _, rest = name.rpartition("_")
    return f"{version or 'v1'} Table {rest.removeprefix('table')}"


def cell_name(key: list[str] | tuple[str, ...]) -> str:
    model, benchmark, method, scope = key
    what = "untouched" if method == "original" else labels.method_and_scope(method, scope)
    return f"{labels.REAL.get(model, model)} ({labels.benchmark(benchmark)}) {what}"


def long_scores(folder: Path) -> pandas.DataFrame:
    """One row per printed FA and UT of the tables that name a cell: table, model, benchmark, method, scope, quantity,
    printed. Table 10's strengths of the anchor other than 1 are scopes of their own."""
    rows = []
    for name in TABLES:
        for row in published.read(folder, name).to_dict("records"):
            scope = row["scope"] if row.get("alpha", "1") == "1" else f"{row['scope']}-alpha-{row['alpha']}"
            for quantity in QUANTITIES:
                cell = {key: row[key] for key in CELL} | {"scope": scope}
                rows.append({"table": name} | cell | {"quantity": quantity, "printed": row[quantity]})
    return pandas.DataFrame(rows)


def utilities(folder: Path, scores: pandas.DataFrame) -> list[tuple[str, str, str]]:
    """(name, where, printed) of every utility after unlearning, each cell once."""
    found = {}
    rows = scores[(scores["quantity"] == "utility") & (scores["method"] != "original")]
    for row in rows.itertuples():
        name = cell_name([getattr(row, key) for key in CELL])
        found.setdefault((name, row.printed), []).append(table_name(row.table))
    for name in AT_FORGET_ACCURACY:
        for row in published.read(folder, name).to_dict("records"):
            which = ", ".join(f"{key} {row[key]}" for key in ("placement", "experts", "layer_rank") if key in row)
            cell = f"{labels.REAL.get(row['model'], row['model'])} ({labels.benchmark(row['benchmark'])}) UOE, {which}"
            found.setdefault((cell, row["utility"]), []).append(table_name(name))
    for row in published.read(folder, "text_values").itertuples():
        if row.quantity == "utility" and row.scope == "uoe-all-layers":
            name = (
                f"{labels.REAL.get(row.model, row.model)} ({labels.benchmark(row.benchmark)}) one expert in every layer"
            )
            found.setdefault((name, row.value), []).append(row.place)
    return [(name, ", ".join(dict.fromkeys(places)), printed) for (name, printed), places in found.items()]


def letters(folder: Path, scores: pandas.DataFrame) -> list[Line]:
    """Utilities that are what a model scores on MMLU that always answers the same letter."""
    constant = published.read(folder, "mmlu_letters")
    error = math.sqrt(CHANCE * (1 - CHANCE) / MMLU_QUESTIONS)
    found, every = [], utilities(folder, scores)
    for name, where, printed in every:
        distances = {row.letter: float(printed) - float(row.accuracy) for row in constant.itertuples()}
        letter = min(distances, key=lambda key: abs(distances[key]))
        score = constant[constant["letter"] == letter]["accuracy"].iloc[0]
        distance = distances[letter]
        if abs(distance) > error + 1e-9:
            continue
        equal = abs(distance) < 0.00005
        said = (
            f"{name}: UT {printed} {'is' if equal else 'is within a standard error of'} the score of always answering "
        )
        said += f"{letter} ({score})"
        arithmetic = f"{printed} - {score} = {distance:+.4f}; standard error of a constant answer {error:.4f}"
        found.append(Line("constant answers", where, arithmetic, said, "looks like a constant answer"))
    spread = float(constant["accuracy"].astype(float).max()) - float(constant["accuracy"].astype(float).min())
    said = f"Utilities after unlearning that lie at a constant letter's score, of {len(every)} printed ones"
    arithmetic = f"{len(found)} of {len(every)}; the four letters' scores span {spread:.4f}"
    verdict = "looks like a constant answer" if found else "consistent"
    return [*found, Line("constant answers", "all tables", arithmetic, said, verdict)]


def forget_near_chance(scores: pandas.DataFrame) -> list[Line]:
    """FA on a four-option test that guessing, or one letter, would give as well."""
    n = QUESTIONS["wmdp-cyber"]
    error = math.sqrt(CHANCE * (1 - CHANCE) / n)
    rows = scores[(scores["quantity"] == "forget_accuracy") & (scores["benchmark"] == "wmdp-cyber")]
    rows = rows[rows["method"] != "original"].drop_duplicates([*CELL, "printed"])
    near = rows[(rows["printed"].astype(float) - CHANCE).abs() <= 2 * error]
    said = f"FA on WMDP after unlearning within two standard errors of guessing, of {len(rows)} printed ones. A model "
    said += "that answers no question scores so, too, and no table says how the answers are spread"
    arithmetic = f"{len(near)} of {len(rows)} in 0.25 ± 2 x {error:.4f} (n = {n})"
    return [
        Line("constant answers", "all tables", arithmetic, said, "cannot be told apart" if len(near) else "consistent")
    ]


def counts_of_questions(scores: pandas.DataFrame) -> list[Line]:
    """Accuracies that no number of right answers gives: k / n, rounded or cut to the printed digits."""
    found, rounded, cut = [], 0, 0
    rows = scores[(scores["quantity"] == "forget_accuracy") & scores["benchmark"].isin(QUESTIONS)]
    rows = rows.drop_duplicates([*CELL, "printed"])
    for row in rows.itertuples():
        n, digits = QUESTIONS[row.benchmark], len(row.printed.partition(".")[2])
        middle = round(float(row.printed) * n)
        shares = {k: k / n for k in (middle - 1, middle, middle + 1)}
        if any(f"{share:.{digits}f}" == row.printed for share in shares.values()):
            rounded += 1
        elif any(
            f"{math.floor(share * 10**digits) / 10**digits:.{digits}f}" == row.printed for share in shares.values()
        ):
            cut += 1
        else:
            low, high = (k for k in (math.floor(float(row.printed) * n), math.ceil(float(row.printed) * n)))
            said = f"{cell_name([getattr(row, key) for key in CELL])}: no number of right answers out of {n} gives FA "
            said += f"{row.printed}, neither rounded nor cut"
            arithmetic = f"{low}/{n} = {low / n:.6f}, {high}/{n} = {high / n:.6f}"
            found.append(Line("possible counts", table_name(row.table), arithmetic, said, "cannot be"))
    n = QUESTIONS["wmdp-cyber"]
    said = (
        f"FA on WMDP-cyber as k/{n}: values that rounding gives, that cutting gives, that neither gives. Some k gives "
    )
    said += (
        f"{n / 10**4:.0%} of all strings of four digits by rounding, so this is a test; another number of questions, "
    )
    said += "or a mean over runs, would explain the last"
    arithmetic = f"{rounded} rounded, {cut} cut, {len(found)} neither, of {len(rows)}"
    verdict = "cannot be" if found else "consistent"
    return [*found, Line("possible counts", "all tables", arithmetic, said, verdict)]
