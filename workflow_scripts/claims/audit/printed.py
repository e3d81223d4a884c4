"""Tables, their captions and the text against each other, and the text against the published code."""

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
from rendering import labels


def same_cell_twice(scores: pandas.DataFrame) -> list[Line]:
    """The same cell in several tables (of one version, or of both) must have one number."""
    lines, same = [], 0
    for key, group in scores.groupby([*CELL, "quantity"], sort=False):
        places = group.groupby(group["printed"].astype(float), sort=False)
        if len(places) == 1:
            same += len(group) > 1
            continue
        shown = [(rows["printed"].iloc[0], ", ".join(map(table_name, rows["table"]))) for _, rows in places]
        (first, where), (second, there) = shown[:2]
        arithmetic = f"{second} - {first} = {float(second) - float(first):+.4f}"
        text = f"{cell_name(key[:4])}: {QUANTITIES[key[4]]} is printed as "
        text += " and as ".join(f"{printed} ({tables})" for printed, tables in shown)
        lines.append(Line("table against table", f"{where}; {there}", arithmetic, text, "inconsistent"))
    text = "Values that several tables print for the same cell, the same everywhere"
    return [*lines, Line("table against table", "all tables", f"{same} of {same + len(lines)}", text, "consistent")]


def versions(folder: Path) -> list[Line]:
    """Experts of one layer: version 2's Table 2 against version 1's Table 5."""
    second = published.read(folder, "v2_table2")
    second = second[second["placement"] == "same-layer"].set_index("experts")["utility"]
    lines = []
    for row in published.read(folder, "table5").itertuples():
        if row.experts not in second.index:
            continue
        difference = float(second[row.experts]) - float(row.utility)
        newer = second[row.experts]
        text = f"UT when {row.experts} of a layer's experts train: {row.utility} in version 1, {newer} in 2"
        arithmetic = f"{newer} - {row.utility} = {difference:+.4f}"
        verdict = consistency(not difference)
        lines.append(Line("table against table", "v1 Table 5; v2 Table 2", arithmetic, text, verdict))
    return lines


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
            lines.append(Line("captions", place, arithmetic, text, "inconsistent"))
        if row.table in seen:
            continue
        seen.add(row.table)
        wanted = float(row.forget_accuracy.lstrip("~"))
        reached = score_of_cell(scores, *cell, method, "uoe", "forget_accuracy")
        text = f"Said to stand at FA ≈ {wanted:.2f}; the row of Table 2 with this utility ({labels.method(method)}+UOE)"
        text += f" has FA {reached:.4f}"
        arithmetic = f"{reached:.4f} - {wanted:.2f} = {reached - wanted:+.4f}"
        lines.append(Line("captions", place, arithmetic, text, consistency(abs(reached - wanted) <= 0.05)))
    return lines


def _method_of(first: pandas.Series, scores: pandas.DataFrame) -> str | None:
    """The method whose UOE row of Table 2 has this row's utility."""
    rows = scores[
        (scores["table"] == "table2") & (scores["model"] == first["model"]) & (scores["scope"] == "uoe")
        & (scores["benchmark"] == first["benchmark"]) & (scores["quantity"] == "utility")
    ]  # fmt: skip
    equal = rows[rows["printed"].astype(float) == float(first["utility"])]
    return None if equal.empty else equal.iloc[0]["method"]


def text_against_tables(folder: Path, scores: pandas.DataFrame) -> list[Line]:
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
        place = f"{row.place}; {table_name(first['table'])}"
        lines.append(Line("text against table", place, arithmetic, text, "inconsistent"))
    text = "Numbers of the text that the tables print, too"
    return [*lines, Line("text against table", "v1", f"{same} equal, {len(lines)} not", text, "consistent")]


def text_changes(folder: Path, scores: pandas.DataFrame) -> list[Line]:
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
        lines.append(Line("text against table", row.place, arithmetic, text, consistency(fits)))
    return lines


def text_against_code(folder: Path) -> list[Line]:
    lines = []
    for row in published.read(folder, "code_settings").itertuples():
        try:
            arithmetic = f"{row.code} / {row.text} = {float(row.code) / float(row.text):g}"
        except ValueError:
            arithmetic = "not equal"
        text = f"{row.setting}: {row.text} in the text, {row.code} in the published code"
        place, verdict = f"{row.text_place}; {row.code_place}", consistency(row.text == row.code)
        lines.append(Line("text against code", place, arithmetic, text, verdict))
    return lines
