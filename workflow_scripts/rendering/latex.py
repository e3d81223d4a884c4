"""A table as LaTeX (booktabs)."""

import re

from rendering.styler import styler
from rendering.table import Wide

GROUPS = 3  # column groups side by side that stay legible on a page
ROWS = 45  # rows that fit on a page
STYLES = {"best": "textbf:--rwrap;", "loss": "textcolor:{red}--rwrap;", "paper": "textcolor:{gray}--rwrap;"}
SIGNS = {
    "±": r"$\pm$", "↓": r"$\downarrow$", "↑": r"$\uparrow$", "≈": r"$\approx$", "α": r"$\alpha$",
    "▼": r"$\triangledown$", "†": r"\textsuperscript{\dag}", "‡": r"\textsuperscript{\ddag}",
    "§": r"\textsuperscript{\S}", "¶": r"\textsuperscript{\P}", "²": r"\textsuperscript{2}",
    "–": "--", "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "*": r"\textasteriskcentered{}",
} | {character: f"\\{character}" for character in "&%$#_{}"}  # fmt: skip


def to_latex(wide: Wide, name: str, title: str, notes: list[str]) -> str:
    """A table* with booktabs rules; many column groups stand one below the other, many rows go over pages."""
    caption, label = latex_text(_paper_number_last(title)), f"tab:{name}"
    lines_below = [latex_text(note) + r"\par" for note in notes]
    if len(wide.texts) > ROWS or wide.widths:
        columns = "".join(rf"p{{{width}\textwidth}}" for width in wide.widths) or "l" * wide.texts.shape[1]
        layout = {"environment": "longtable", "hrules": True, "column_format": columns}
        table = styler(wide, STYLES, latex_text).to_latex(caption=caption, label=label, **layout)
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
    lines = styler(wide, STYLES, latex_text).to_latex(**layout).rstrip().split("\n")
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
