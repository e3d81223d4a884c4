"""A table as csv, Markdown, LaTeX (booktabs) and HTML files; the same bytes for the same values."""

import html
import re
from collections.abc import Callable
from pathlib import Path

import pandas
from pandas.io.formats.style import Styler

from jobs.files import write_text
from planning.layout import TABLE_EXTENSIONS
from rendering.table import PAPER, Table, Wide

GROUPS = 3  # in LaTeX: column groups side by side that stay legible on a page
ROWS = 45  # rows that fit on a page
LATEX_STYLES = {"best": "textbf:--rwrap;", "loss": "textcolor:{red}--rwrap;", "paper": "textcolor:{gray}--rwrap;"}
SIGNS = {
    "±": r"$\pm$", "↓": r"$\downarrow$", "↑": r"$\uparrow$", "≈": r"$\approx$", "α": r"$\alpha$",
    "▼": r"$\triangledown$", "†": r"\textsuperscript{\dag}", "‡": r"\textsuperscript{\ddag}",
    "§": r"\textsuperscript{\S}", "¶": r"\textsuperscript{\P}", "²": r"\textsuperscript{2}",
    "–": "--", "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "*": r"\textasteriskcentered{}",
} | {character: f"\\{character}" for character in "&%$#_{}"}  # fmt: skip
HTML_STYLES = {"best": "font-weight: bold;", "loss": "color: #c00000;", "paper": "opacity: 0.65;"}
CSS = (
    "body{font:14px/1.45 "
    "system-ui,sans-serif;margin:1.5em;color:#1a1a1a;background:#fff}table{border-collapse:collapse;margin:1em "
    "0}caption{caption-side:top;text-align:left;font-weight:600;padding-bottom:.6em}th,td{padding:.3em "
    ".6em;text-align:right;white-space:nowrap}th{border-bottom:1px solid "
    "#555;text-align:center}td:first-child{text-align:left}tbody tr:last-child td{border-bottom:1px solid "
    "#555}td.first{border-top:1px solid #bbb}ul{max-width:60em;padding-left:1.2em}"
)
SENTENCES = "td{white-space:normal;text-align:left;vertical-align:top}"


def write(table: Table, name: str, last_note: str, prefix: Path) -> list[Path]:
    """Write prefix.csv, .md, .tex and .html; returns their paths."""
    notes = [*table.notes, last_note]
    write_text(f"{prefix}.csv", table.frame.to_csv(index=False, lineterminator="\n"))
    write_text(f"{prefix}.md", to_markdown(table.wide, table.title, notes))
    write_text(f"{prefix}.tex", to_latex(table.wide, name, table.title, notes))
    write_text(f"{prefix}.html", to_html(table.wide, name, table.title, notes))
    return [Path(f"{prefix}.{extension}") for extension in TABLE_EXTENSIONS]


def to_markdown(wide: Wide, title: str, notes: list[str]) -> str:
    """A pipe table; the two column levels are joined, bold is **…**, a published value stands in brackets behind
    ours."""
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
    table = grid.to_markdown(index=False, disable_numparse=True)
    return "\n".join([f"**{title}**", "", table, "", *(f"- {note}" for note in notes), ""])


def styler(wide: Wide, words: dict[str, str], escape: Callable[[str], str]) -> Styler:
    """words: what the output makes of each word of a cell's style. The row labels are the first column."""
    css = wide.styles.map(lambda style: "".join(words[word] for word in style.split()))
    texts = wide.texts.map(escape)
    texts.columns = pandas.MultiIndex.from_tuples([tuple(map(escape, column)) for column in wide.texts.columns])
    css.columns = texts.columns
    made = Styler(texts, cell_ids=False).hide(axis="index").apply(lambda _: css, axis=None)
    return made.format_index(lambda head: PAPER.strip() if head.endswith(PAPER) else head, axis=1, level=1)


def to_html(wide: Wide, name: str, title: str, notes: list[str]) -> str:
    """A page of its own: the table and its notes."""
    made = styler(wide, HTML_STYLES, html.escape).set_caption(html.escape(title))
    classes = pandas.DataFrame("", index=made.index, columns=made.columns)
    classes.iloc[wide.starts] = "first"  # of a block of rows
    table = made.set_td_classes(classes).to_html(table_uuid=name, table_attributes=f'aria-label="{name}"')
    items = "\n".join(f"<li>{html.escape(note)}</li>" for note in notes)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{CSS}{SENTENCES if wide.widths else ''}</style></head>\n"
        f"<body>\n{table}\n<ul>\n{items}\n</ul>\n</body></html>\n"
    )


def to_latex(wide: Wide, name: str, title: str, notes: list[str]) -> str:
    """A table* with booktabs rules; many column groups stand one below the other, many rows go over pages."""
    caption, label = latex_text(_paper_number_last(title)), f"tab:{name}"
    lines_below = [latex_text(note) + r"\par" for note in notes]
    if len(wide.texts) > ROWS or wide.widths:
        columns = "".join(rf"p{{{width}\textwidth}}" for width in wide.widths) or "l" * wide.texts.shape[1]
        layout = {"environment": "longtable", "hrules": True, "column_format": columns}
        table = styler(wide, LATEX_STYLES, latex_text).to_latex(caption=caption, label=label, **layout)
        empty_heads = rf"\multicolumn{{{wide.texts.shape[1]}}}{{r}}{{}} \\" + "\n"
        lines = [r"% needs \usepackage{booktabs, xcolor, amssymb, longtable}", table.replace(empty_heads, "").rstrip()]
        return "\n".join([*lines, "{\\footnotesize", *lines_below, "}", ""])
    lines = [r"% needs \usepackage{booktabs, xcolor, amssymb, adjustbox}", r"\begin{table*}[t]", r"\centering"]
    lines += [rf"\caption{{{caption}}}", rf"\label{{{label}}}"]
    for part in _split(wide):
        lines += [r"\begin{adjustbox}{max width=\textwidth}", *_tabular(part), r"\end{adjustbox}", r"\par\medskip"]
    lines += [r"\begin{minipage}{\textwidth}\footnotesize", *lines_below, r"\end{minipage}", r"\end{table*}"]
    return "\n".join([*lines, ""])


def _paper_number_last(title: str) -> str:
    """`Table 2. Methods` -> `Methods (the paper's Table 2)`: LaTeX writes a number of its own in front."""
    number, dot, rest = title.partition(". ")
    return f"{rest} (the paper's {number})" if dot and number.startswith("Table") else title


def _split(wide: Wide) -> list[Wide]:
    """The table in parts of at most GROUPS column groups, as equal as can be, each with the row labels."""
    heads = list(dict.fromkeys(column[0] for column in wide.texts.columns if column[0]))
    count = max(1, -(-len(heads) // GROUPS))
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
    lines = styler(wide, LATEX_STYLES, latex_text).to_latex(**layout).rstrip().split("\n")
    heads = [column[0] for column in wide.texts.columns]
    spans = {head: (heads.index(head) + 1, heads.index(head) + heads.count(head)) for head in dict.fromkeys(heads)}
    rules = [rf"\cmidrule(lr){{{first}-{last}}}" for head, (first, last) in spans.items() if head]
    body = lines.index(r"\midrule") + 1
    for start in reversed(wide.starts):
        lines.insert(body + start, r"\addlinespace")
    lines.insert(lines.index(r"\toprule") + 2, " ".join(rules))
    return lines


def latex_text(text: str) -> str:
    """Every character that LaTeX would read as a command, and the signs of our tables, written out."""
    written = "".join(SIGNS.get(character, character) for character in text)
    return re.sub(r'"([^"]*)"', r"``\1''", written)
