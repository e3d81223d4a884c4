"""A table as csv (tidy, one row a value), Markdown, LaTeX (booktabs) and HTML; the same bytes for the same values."""

import html
import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas
from pandas.io.formats.style import Styler

from jobs.files import write_text
from rendering import labels
from rendering.scores import Table

SHOWN = {"FA": "FA ↓", "UT": "UT ↑", "Distance": "Distance ↓"}
FIRST_ROWS = ("Pretrained", "Retrained")
LATEX_GROUPS = 3  # column groups side by side that stay legible on a page
LATEX_ROWS = 45  # rows that fit on a page
PAPER = " paper"  # ending of the columns with published values
# What each output makes of a cell's style; Markdown has no colour, so a heavy loss also carries a sign everywhere.
LATEX = {"best": "textbf:--rwrap;", "loss": "textcolor:{red}--rwrap;", "paper": "textcolor:{gray}--rwrap;"}
HTML = {"best": "font-weight: bold;", "loss": "color: #c00000;", "paper": "opacity: 0.65;"}
LATEX_SIGNS = {
    "±": r"$\pm$",
    "†": r"\textsuperscript{\dag}",
    "‡": r"\textsuperscript{\ddag}",
    "§": r"\textsuperscript{\S}",
    "¶": r"\textsuperscript{\P}",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "≈": r"$\approx$",
    "α": r"$\alpha$",
    "²": r"\textsuperscript{2}",
    "▼": r"$\triangledown$",
    "–": "--",
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "*": r"\textasteriskcentered{}",
}
CSS = (
    "body{font:14px/1.45 "
    "system-ui,sans-serif;margin:1.5em;color:#1a1a1a;background:#fff}table{border-collapse:collapse;margin:1em "
    "0}caption{caption-side:top;text-align:left;font-weight:600;padding-bottom:.6em}th,td{padding:.3em "
    ".6em;text-align:right;white-space:nowrap}th{border-bottom:1px solid "
    "#555;text-align:center}td:first-child{text-align:left}tbody tr:last-child td{border-bottom:1px solid "
    "#555}tr.first td{border-top:1px solid #bbb}ul{max-width:60em;padding-left:1.2em}"
)
SENTENCES = "td{white-space:normal;text-align:left;vertical-align:top}"


@dataclass(frozen=True)
class Wide:
    """A table as it is looked at: `texts` has two column levels (group, quantity), `styles` the same shape with words
    of `LATEX`'s keys.

    `starts` are the row numbers before which a new block of rows begins. `widths`: of a table of sentences, each
    column's share of the page.
    """

    texts: pandas.DataFrame
    styles: pandas.DataFrame
    starts: list[int] = field(default_factory=list)
    widths: tuple[float, ...] = ()


def sentences(texts: pandas.DataFrame, widths: tuple[float, ...]) -> Wide:
    """A table whose cells are sentences, broken into lines; `texts` has one column level."""
    texts = texts.set_axis(pandas.MultiIndex.from_tuples([("", column) for column in texts.columns]), axis=1)
    return Wide(texts, pandas.DataFrame("", index=texts.index, columns=texts.columns), [], widths)


def write_table(table: Table, settings: dict, commit_note: str, prefix: Path) -> None:
    """Write prefix.csv, .md, .tex and .html."""
    write_wide(widen(table, settings), table.name, table.title, [*table.notes, commit_note], prefix)
    write_text(f"{prefix}.csv", table.frame.to_csv(index=False, lineterminator="\n"))


def write_wide(wide: Wide, name: str, title: str, remarks: list[str], prefix: Path) -> None:
    write_text(f"{prefix}.md", to_markdown(wide, title, remarks))
    write_text(f"{prefix}.tex", to_latex(wide, name, title, remarks))
    write_text(f"{prefix}.html", to_html(wide, name, title, remarks))


def widen(table: Table, settings: dict) -> Wide:
    """One line a row label, one column group a (benchmark, model); the published value stands beside ours wherever
    there is one.
    """
    frame = table.frame
    rows = list(dict.fromkeys(frame["row"]))
    rows.sort(key=lambda row: FIRST_ROWS.index(row) if row in FIRST_ROWS else len(FIRST_ROWS))
    pairs = dict.fromkeys(
        (model, benchmark)
        for benchmark in settings["block"]["benchmarks"]
        for model in settings["block"]["models"]
        if not frame[(frame["model"] == model) & (frame["benchmark"] == benchmark)].empty
    )
    texts: dict[tuple[str, str], dict[str, str]] = {("", table.head): {row: row for row in rows}}
    styles: dict[tuple[str, str], dict[str, str]] = {}
    quantities = list(dict.fromkeys(frame["quantity"]))
    for model, benchmark in pairs:
        head = labels.group(settings, model, benchmark) if "FA" in quantities else labels.model(settings, model)
        of_pair = frame[(frame["model"] == model) & (frame["benchmark"] == benchmark)]
        for quantity in quantities:
            values = of_pair[of_pair["quantity"] == quantity].to_dict("records")
            column = (head, SHOWN.get(quantity, quantity))
            texts[column] = {value["row"]: shown(value) for value in values}
            styles[column] = {value["row"]: _style(value["best"], value["heavy_loss"]) for value in values}
            if any(frame[frame["quantity"] == quantity]["published"] != ""):
                column = (head, SHOWN.get(quantity, quantity) + PAPER)
                texts[column] = {value["row"]: shown_published(value) for value in values}
                styles[column] = {
                    value["row"]: _style(False, value["published_heavy_loss"], "paper") for value in values
                }
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


def shown_published(value: dict) -> str:
    return value["published"] + (" ▼" if value["published_heavy_loss"] else "")


def _style(best: bool, loss: bool, *others: str) -> str:
    if loss:  # a colour of its own, not grey and red at once
        others = ()
    return " ".join([*others, *(["best"] if best else []), *(["loss"] if loss else [])])


def to_markdown(wide: Wide, title: str, remarks: list[str]) -> str:
    """A pipe table; the two column levels are joined, bold is **…**, a published value stands in brackets behind
    ours.
    """
    flat: dict[str, list[str]] = {}
    for column in wide.texts.columns:
        cells = zip(wide.texts[column], wide.styles[column], strict=True)
        texts = [f"**{text}**" if "best" in style else text for text, style in cells]
        name = " ".join(part for part in column if part)
        if name.endswith(PAPER):
            ours = name.removesuffix(PAPER)
            both = zip(flat.pop(ours), texts, strict=True)
            flat[f"{ours} [paper]"] = [f"{first} [{second}]" if second else first for first, second in both]
        else:
            flat[name] = texts
    grid = pandas.DataFrame(flat).map(lambda text: text.replace("|", "\\|"))
    lines = [
        f"**{title}**",
        "",
        grid.to_markdown(index=False, disable_numparse=True),
        "",
        *(f"- {remark}" for remark in remarks),
    ]
    return "\n".join(lines) + "\n"


def to_latex(wide: Wide, name: str, title: str, remarks: list[str]) -> str:
    """A table* with booktabs rules; many column groups stand one below the other, many rows go over pages."""
    caption, label = latex_text(_paper_number_last(title)), f"tab:{name}"
    notes = [latex_text(remark) + r"\par" for remark in remarks]
    if len(wide.texts) > LATEX_ROWS or wide.widths:
        columns = "".join(rf"p{{{width}\textwidth}}" for width in wide.widths) or "l" * wide.texts.shape[1]
        layout = {"environment": "longtable", "hrules": True, "column_format": columns}
        table = _styler(wide, LATEX, latex_text).to_latex(caption=caption, label=label, **layout)
        empty_heads = rf"\multicolumn{{{wide.texts.shape[1]}}}{{r}}{{}} \\" + "\n"
        lines = [
            r"% needs \usepackage{booktabs, xcolor, amssymb, longtable}",
            table.replace(empty_heads, "").rstrip(),
        ]
        return "\n".join([*lines, "{\\footnotesize", *notes, "}", ""])
    parts = [_tabular(part) for part in _split(wide)]
    lines = [r"% needs \usepackage{booktabs, xcolor, amssymb, adjustbox}", r"\begin{table*}[t]", r"\centering"]
    lines += [rf"\caption{{{caption}}}", rf"\label{{{label}}}"]
    for part in parts:
        lines += [r"\begin{adjustbox}{max width=\textwidth}", *part, r"\end{adjustbox}", r"\par\medskip"]
    lines += [r"\begin{minipage}{\textwidth}\footnotesize", *notes, r"\end{minipage}", r"\end{table*}"]
    return "\n".join([*lines, ""])


def _paper_number_last(title: str) -> str:
    """`Table 2. Methods` -> `Methods (the paper's Table 2)`: LaTeX writes a number of its own in front."""
    number, dot, rest = title.partition(". ")
    return f"{rest} (the paper's {number})" if dot and number.startswith("Table") else title


def _split(wide: Wide) -> list[Wide]:
    """The table in parts of at most LATEX_GROUPS column groups, as equal as can be, each with the row labels."""
    heads = list(dict.fromkeys(column[0] for column in wide.texts.columns if column[0]))
    count = max(1, -(-len(heads) // LATEX_GROUPS))
    size = -(-len(heads) // count)
    parts = []
    for i in range(count):
        kept = {"", *heads[i * size : (i + 1) * size]}
        columns = [column for column in wide.texts.columns if column[0] in kept]
        parts.append(Wide(wide.texts[columns], wide.styles[columns], wide.starts))
    return parts


def _tabular(wide: Wide) -> list[str]:
    """Lines of one tabular: rules under the heads of the column groups, space between blocks of rows."""
    layout = {"hrules": True, "multicol_align": "c", "column_format": "l" + "r" * (wide.texts.shape[1] - 1)}
    lines = _styler(wide, LATEX, latex_text).to_latex(**layout).rstrip().split("\n")
    heads = [column[0] for column in wide.texts.columns]
    rules, first = [], 0
    for last in range(len(heads)):
        if last + 1 == len(heads) or heads[last + 1] != heads[last]:
            if heads[last]:
                rules.append(rf"\cmidrule(lr){{{first + 1}-{last + 1}}}")
            first = last + 1
    body = lines.index(r"\midrule") + 1
    for start in reversed(wide.starts):
        lines.insert(body + start, r"\addlinespace")
    names = lines.index(r"\midrule") - 1
    lines[names] = re.sub(rf"& [^&]*{PAPER}(?= [&\\])", f"&{PAPER}", lines[names])
    lines.insert(lines.index(r"\toprule") + 2, " ".join(rules))
    return lines


def latex_text(text: str) -> str:
    """Every character that LaTeX would read as a command, and the signs of our tables, written out."""
    written = "".join(LATEX_SIGNS.get(character, character) for character in text)
    return re.sub(r'"([^"]*)"', r"``\1''", written)


def to_html(wide: Wide, name: str, title: str, remarks: list[str]) -> str:
    """A whole page that needs nothing else."""
    styler = _styler(wide, HTML, html.escape).set_caption(html.escape(title))
    rows = styler.to_html(table_uuid=name, table_attributes=f'aria-label="{name}"').split("<tr>")
    body = len(rows) - len(wide.texts)  # the last <tr>s are the body's
    for start in wide.starts:
        rows[body + start] = "\0" + rows[body + start]
    table = "<tr>".join(rows).replace("<tr>\0", '<tr class="first">')
    table = re.sub(rf">[^<]*{PAPER}</th>", ">paper</th>", table)
    items = "\n".join(f"<li>{html.escape(remark)}</li>" for remark in remarks)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{CSS}{SENTENCES if wide.widths else ''}</style></head>\n"
        f"<body>\n{table}\n<ul>\n{items}\n</ul>\n</body></html>\n"
    )


def _styler(wide: Wide, words: dict[str, str], escape) -> Styler:
    """Escaped texts with the styles of one output; the row labels are the first column."""
    escaped = wide.texts.map(escape)
    escaped.columns = pandas.MultiIndex.from_tuples([tuple(map(escape, column)) for column in wide.texts.columns])
    css = wide.styles.map(lambda style: "".join(words[word] for word in style.split()))
    css.columns = escaped.columns
    return Styler(escaped, cell_ids=False).hide(axis="index").apply(lambda _: css, axis=None)
