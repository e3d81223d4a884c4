"""A table as csv, Markdown, LaTeX and HTML files; the same bytes for the same values."""

from pathlib import Path

from jobs.files import write_text
from planning.layout import TABLE_EXTENSIONS
from rendering.html_page import to_html
from rendering.latex import to_latex
from rendering.markdown import to_markdown
from rendering.table import Table, Wide


def write(table: Table, name: str, last_note: str, prefix: Path) -> list[Path]:
    """Write prefix.csv, .md, .tex and .html; returns their paths."""
    write_wide(table.wide, name, table.title, [*table.notes, last_note], prefix)
    write_text(f"{prefix}.csv", table.frame.to_csv(index=False, lineterminator="\n"))
    return [Path(f"{prefix}.{extension}") for extension in TABLE_EXTENSIONS]


def write_wide(wide: Wide, name: str, title: str, notes: list[str], prefix: Path) -> None:
    """The same without csv."""
    write_text(f"{prefix}.md", to_markdown(wide, title, notes))
    write_text(f"{prefix}.tex", to_latex(wide, name, title, notes))
    write_text(f"{prefix}.html", to_html(wide, name, title, notes))
