"""What all parts of the audit share: a line of its result, the papers' score tables as one frame, and their errors."""

import math
from dataclasses import dataclass
from pathlib import Path

import pandas

from evidence import published
from rendering import labels

CELL = ["model", "benchmark", "method", "scope"]
QUANTITIES = {"forget_accuracy": "FA", "utility": "UT"}
TABLES = ("table1", "table2", "table4", "table6", "table10", "v2_table9")
QUESTIONS = {"wmdp-cyber": 1987}  # of the forget test; RWKU's score is no accuracy
MMLU_QUESTIONS = 14042
CHANCE = 0.25


@dataclass(frozen=True)
class Line:
    """One result. arithmetic: computed from the files; verdict: consistent, inconsistent, cannot be, …"""

    topic: str
    where: str
    arithmetic: str
    says: str
    verdict: str


def consistency(fits: bool) -> str:
    return "consistent" if fits else "inconsistent"


def table_name(name: str) -> str:
    """table2 -> v1 Table 2, v2_table9 -> v2 Table 9."""
    version, _, rest = name.rpartition("_")
    return f"{version or 'v1'} Table {rest.removeprefix('table')}"


def model_name(model: str) -> str:
    return labels.REAL.get(model, model)


def cell_name(key: list[str] | tuple[str, ...]) -> str:
    model, benchmark, method, scope = key
    what = "untouched" if method == "original" else labels.method_and_scope(method, scope)
    return f"{model_name(model)} ({labels.benchmark(benchmark)}) {what}"


def name_of(row) -> str:
    return cell_name([getattr(row, key) for key in CELL])


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


def rows_of_cell(scores: pandas.DataFrame, *key: str) -> pandas.DataFrame:
    """key: model, benchmark, method, scope, quantity."""
    rows = scores
    for column, value in zip([*CELL, "quantity"], key, strict=True):
        rows = rows[rows[column] == value]
    return rows


def score_of_cell(scores: pandas.DataFrame, *key: str) -> float:
    rows = rows_of_cell(scores, *key)
    if rows.empty:
        raise SystemExit(f"config/published: no table prints {', '.join(key)}")
    return float(rows.iloc[0]["printed"])


def uoe_pairs(scores: pandas.DataFrame) -> pandas.DataFrame:
    """Table 2's pairs: FA and UT without and with UOE."""
    rows = scores[(scores["table"] == "table2") & (scores["scope"] == "uoe") & (scores["quantity"] == "utility")]
    pairs = []
    for row in rows.itertuples():
        values = {
            f"{short}_{scope}": score_of_cell(scores, row.model, row.benchmark, row.method, scope, quantity)
            for short, quantity in (("fa", "forget_accuracy"), ("ut", "utility"))
            for scope in ("baseline", "uoe")
        }
        pairs.append({"name": name_of(row), "benchmark": row.benchmark} | values)
    return pandas.DataFrame(pairs)


def difference_error(first: float, second: float, benchmark: str, quantity: str) -> float | None:
    """Standard error of the difference of two accuracies on the same number of questions, taken as independent; None
    for ROUGE-L, whose spread is not printed."""
    if quantity == "forget_accuracy" and benchmark != "wmdp-cyber":
        return None
    n = MMLU_QUESTIONS if quantity == "utility" else QUESTIONS[benchmark]
    return math.sqrt((first * (1 - first) + second * (1 - second)) / n)
