"""Captions against the rows that their tables start from."""

from pathlib import Path

import pandas

from claims.audit.lines import Line, consistency, score_of_cell, table_name
from evidence import published
from rendering import labels

TOPIC = "captions"


def captions(folder: Path, scores: pandas.DataFrame) -> list[Line]:
    """Tables at "FA ≈ 0.25": whose row of Table 2 their first utility is, and what FA that row has."""
    lines, seen = [], set()
    for row in published.read(folder, "captions").itertuples():
        first = published.read(folder, row.table).iloc[0]
        method = _method_of(first, scores)
        if method is None:
            continue
        cell = (first["model"], first["benchmark"])
        place = f"{row.said_in}; {table_name(row.table)}, first column"
        if row.method and row.method != method:
            utility, own = float(first["utility"]), score_of_cell(scores, *cell, row.method, "uoe", "utility")
            arithmetic = f"{utility:.4f} - {own:.4f} = {utility - own:+.4f}"
            text = f"Said to be {labels.method(row.method)}+UOE, whose utility in Table 2 is {own:.4f}; {utility:.4f}"
            text += f" is that of {labels.method(method)}+UOE"
            lines.append(Line(TOPIC, place, arithmetic, text, "inconsistent"))
        if row.table in seen:
            continue
        seen.add(row.table)
        wanted = float(row.forget_accuracy.lstrip("~"))
        reached = score_of_cell(scores, *cell, method, "uoe", "forget_accuracy")
        text = f"Said to stand at FA ≈ {wanted:.2f}; the row of Table 2 with this utility ({labels.method(method)}+UOE)"
        text += f" has FA {reached:.4f}"
        arithmetic = f"{reached:.4f} - {wanted:.2f} = {reached - wanted:+.4f}"
        lines.append(Line(TOPIC, place, arithmetic, text, consistency(abs(reached - wanted) <= 0.05)))
    return lines


def _method_of(first: pandas.Series, scores: pandas.DataFrame) -> str | None:
    """The method whose UOE row of Table 2 has this row's utility."""
    rows = scores[
        (scores["table"] == "table2") & (scores["model"] == first["model"]) & (scores["scope"] == "uoe")
        & (scores["benchmark"] == first["benchmark"]) & (scores["quantity"] == "utility")
    ]  # fmt: skip
    equal = rows[rows["printed"].astype(float) == float(first["utility"])]
    return None if equal.empty else equal.iloc[0]["method"]
