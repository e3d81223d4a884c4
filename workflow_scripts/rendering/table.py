"""What every table is: numbers for the csv file, texts as they are looked at, notes."""

import math
from dataclasses import dataclass, field

import pandas

from evidence.intervals import PerSeed, interval
from evidence.study import Study
from evidence.summary import mean_and_error
from rendering import labels

FIRST_ROWS = ("Pretrained", "Retrained")
PAPER = " paper"  # ending of the columns with published values
# by_seed: each seed's value, in the order of the study's seeds. compared: rows of one such group are compared for the
# best value. loss: pretrained UT - UT. marks: signs printed behind the value.
VALUE_COLUMNS = (
    *("row", "compared", "model", "stands_for", "benchmark", "method", "scope", "quantity"),
    *("value", "standard_error", "by_seed", "text", "n", "seeds", "published", "published_in"),
    *("loss", "heavy_loss", "published_heavy_loss", "best", "marks", "collapsed", "status", "steps"),
)


@dataclass(frozen=True)
class Wide:
    """A table as it is looked at: `texts` has two column levels (group, quantity), `styles` the same shape with the
    words best, loss, paper. `starts` are the row numbers before which a new block of rows begins. `widths`: of a table
    of sentences, each column's share of the page."""

    texts: pandas.DataFrame
    styles: pandas.DataFrame
    starts: list[int] = field(default_factory=list)
    widths: tuple[float, ...] = ()


@dataclass(frozen=True)
class Table:
    """What a table's file makes. frame: its csv."""

    title: str
    frame: pandas.DataFrame
    wide: Wide
    notes: list[str]


def flat(texts: pandas.DataFrame, widths: tuple[float, ...] = (), starts: list[int] | None = None) -> Wide:
    """Texts with one column level. widths: the cells are sentences, broken into lines."""
    texts = texts.set_axis(pandas.MultiIndex.from_tuples([("", column) for column in texts.columns]), axis=1)
    return Wide(texts, pandas.DataFrame("", index=texts.index, columns=texts.columns), starts or [], widths)


def mean_value(quantity: str, values: list[float], errors: list[float] | None = None) -> dict:
    """A quantity's mean over seeds with its standard error (evidence.summary.mean_and_error), for `tidy`."""
    mean, error = mean_and_error(values, errors)
    return {"quantity": quantity, "value": mean, "standard_error": error}


def bracketed(difference: PerSeed) -> str:
    """+0.052 [-0.072, +0.175]: a mean over seeds with its interval, if it has one."""
    low, high = interval(difference)
    return f"{difference.mean:+.3f}" + ("" if math.isnan(low) else f" [{low:+.3f}, {high:+.3f}]")


def tidy(values: list[dict]) -> pandas.DataFrame:
    """One row per printed value."""
    defaults = dict.fromkeys(VALUE_COLUMNS, "") | dict.fromkeys(("value", "standard_error", "loss"), float("nan"))
    defaults |= dict.fromkeys(("heavy_loss", "published_heavy_loss", "best"), False)
    return pandas.DataFrame([defaults | value for value in values], columns=VALUE_COLUMNS)


def tidy_table(study: Study, title: str, head: str, frame: pandas.DataFrame, notes: list[str]) -> Table:
    """A table of `tidy` values; `head` names the row labels."""
    return Table(title, frame, widen(study, head, frame), notes)


def widen(study: Study, head: str, frame: pandas.DataFrame) -> Wide:
    """One line a row label, one column group a (benchmark, model); the published value stands beside ours wherever
    there is one."""
    rows = list(dict.fromkeys(frame["row"]))
    rows.sort(key=lambda row: FIRST_ROWS.index(row) if row in FIRST_ROWS else len(FIRST_ROWS))
    texts: dict[tuple[str, str], dict[str, str]] = {("", head): {row: row for row in rows}}
    styles: dict[tuple[str, str], dict[str, str]] = {}
    quantities = list(dict.fromkeys(frame["quantity"]))
    printed = set(frame[frame["published"] != ""]["quantity"])
    for benchmark in study.block["benchmarks"]:
        for model in study.block["models"]:
            of_pair = frame[(frame["model"] == model) & (frame["benchmark"] == benchmark)]
            if of_pair.empty:
                continue
            settings = study.settings
            group = labels.group(settings, model, benchmark) if "FA" in quantities else labels.model(settings, model)
            for quantity in quantities:
                values = of_pair[of_pair["quantity"] == quantity].to_dict("records")
                column = (group, labels.HEADS.get(quantity, quantity))
                texts[column] = {value["row"]: shown(value) for value in values}
                styles[column] = {value["row"]: _style(value["best"], value["heavy_loss"]) for value in values}
                if quantity in printed:
                    column = (group, column[1] + PAPER)
                    texts[column] = {v["row"]: v["published"] + " ▼" * bool(v["published_heavy_loss"]) for v in values}
                    styles[column] = {v["row"]: _style(False, v["published_heavy_loss"], "paper") for v in values}
    compared = frame.drop_duplicates("row").set_index("row")["compared"]
    starts = [i for i in range(1, len(rows)) if compared[rows[i]] != compared[rows[i - 1]]]
    columns = pandas.MultiIndex.from_tuples(list(texts))
    grids = [
        [[written.get(column, {}).get(row, "") for column in texts] for row in rows] for written in (texts, styles)
    ]
    return Wide(*(pandas.DataFrame(grid, index=rows, columns=columns) for grid in grids), starts)


def shown(value: dict) -> str:
    """0.254 ± 0.031†: a text as it is, shares in percent with three digits, everything else with three decimals."""
    if value["text"]:
        return value["text"]
    written = "{:.3g}" if value["quantity"].endswith("%") else "{:.3f}"
    text = written.format(value["value"])
    if value["standard_error"] == value["standard_error"]:  # not NaN
        text += f" ± {written.format(value['standard_error'])}"
    return text + value["marks"] + (" ▼" if value["heavy_loss"] else "")


def _style(best: bool, loss: bool, *others: str) -> str:
    if loss:  # a colour of its own, not grey and red at once
        others = ()
    return " ".join([*others, *(["best"] if best else []), *(["loss"] if loss else [])])
