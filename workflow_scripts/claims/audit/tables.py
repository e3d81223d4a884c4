"""Tables against tables: the same cell printed several times."""

from pathlib import Path

import pandas

from claims.audit.lines import CELL, QUANTITIES, Line, cell_name, consistency, table_name
from evidence import published

TOPIC = "table against table"


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
        lines.append(Line(TOPIC, f"{where}; {there}", arithmetic, text, "inconsistent"))
    text = "Values that several tables print for the same cell, the same everywhere"
    return [*lines, Line(TOPIC, "all tables", f"{same} of {same + len(lines)}", text, "consistent")]


def versions(folder: Path) -> list[Line]:
    """Experts of one layer: version 2's Table 2 against version 1's Table 5."""
    second = published.read(folder, "v2_table2")
    second = second[second["placement"] == "same-layer"].set_index("experts")["utility"]
    lines = []
    for row in published.read(folder, "table5").itertuples():
        if row.experts not in second.index:
            continue
        difference = float(second[row.experts]) - float(row.utility)
        text = (
            f"UT when {row.experts} of a layer's experts train: {row.utility} in version 1, {second[row.experts]} in 2"
        )
        arithmetic = f"{second[row.experts]} - {row.utility} = {difference:+.4f}"
        lines.append(Line(TOPIC, "v1 Table 5; v2 Table 2", arithmetic, text, consistency(not difference)))
    return lines
