"""The text against the tables that it speaks of, and against the published code."""

from pathlib import Path

import pandas

from claims.audit.lines import (
    CELL,
    QUANTITIES,
    Line,
    cell_name,
    consistency,
    name_of,
    rows_of_cell,
    score_of_cell,
    table_name,
)
from evidence import published

TOPIC = "text against table"


def text_against_tables(folder: Path, scores: pandas.DataFrame) -> list[Line]:
    """Numbers in the text against the tables that it speaks of."""
    lines, same = [], 0
    for row in published.read(folder, "text_values").itertuples():
        printed = rows_of_cell(scores, *(getattr(row, key) for key in CELL), row.quantity)
        if printed.empty:
            continue
        if row.value in set(printed["printed"]) or float(row.value) in set(printed["printed"].astype(float)):
            same += 1
            continue
        first = printed.iloc[0]
        difference = float(row.value) - float(first["printed"])
        others = scores[(scores["printed"].astype(float) == float(row.value)) & (scores["quantity"] == row.quantity)]
        owners = ", ".join(dict.fromkeys(name_of(other) for other in others.itertuples()))
        text = f"{name_of(row)}: the text gives {QUANTITIES[row.quantity]} {row.value}, the table {first['printed']}"
        text += f"; {row.value} is that of {owners}" if owners else ""
        arithmetic = f"{row.value} - {first['printed']} = {difference:+.4f}"
        lines.append(Line(TOPIC, f"{row.place}; {table_name(first['table'])}", arithmetic, text, "inconsistent"))
    text = "Numbers of the text that the tables print, too"
    return [*lines, Line(TOPIC, "v1", f"{same} equal, {len(lines)} not", text, "consistent")]


def text_changes(folder: Path, scores: pandas.DataFrame) -> list[Line]:
    """Where the text says that a value falls or rises."""
    lines = []
    for row in published.read(folder, "text_changes").itertuples():
        old, new = (
            score_of_cell(scores, row.model, row.benchmark, row.method, scope, row.quantity)
            for scope in (row.from_scope, row.to_scope)
        )
        change = new - old
        fits = change < 0 if row.says == "falls" else change > 0
        name = cell_name([row.model, row.benchmark, row.method, row.to_scope])
        text = f"{name}: the text says that {QUANTITIES[row.quantity]} {row.says}; in Table 2 it "
        text += "does" if fits else ("rises" if change > 0 else "falls" if change < 0 else "stays")
        arithmetic = f"{new:.4f} - {old:.4f} = {change:+.4f}"
        lines.append(Line(TOPIC, row.place, arithmetic, text, consistency(fits)))
    return lines


def text_against_code(folder: Path) -> list[Line]:
    """Settings of the text against those of the published code."""
    lines = []
    for row in published.read(folder, "code_settings").itertuples():
        try:
            arithmetic = f"{row.code} / {row.text} = {float(row.code) / float(row.text):g}"
        except ValueError:
            arithmetic = "not equal"
        text = f"{row.setting}: {row.text} in the text, {row.code} in the published code"
        where = f"{row.text_place}; {row.code_place}"
        lines.append(Line("text against code", where, arithmetic, text, consistency(row.text == row.code)))
    return lines
