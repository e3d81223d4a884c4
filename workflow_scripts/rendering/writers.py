"""A table as csv, Markdown, LaTeX and HTML files; the same bytes for the same values."""

from pathlib import Path

from jobs.files import write_text
from planning.layout import TABLE_EXTENSIONS
from rendering.html_page import to_html
from rendering.latex import to_latex
from rendering.markdown import to_markdown
from rendering.table import Table


def write(table: Table, name: str, last_note: str, prefix: Path) -> list[Path]:
    """Write prefix.csv, .md, .tex and .html; returns their paths."""
    notes = [*table.notes, last_note]
    write_text(f"{prefix}.csv", table.frame.to_csv(index=False, lineterminator="\n"))
    write_text(f"{prefix}.md", to_markdown(table.wide, table.title, notes))
    write_text(f"{prefix}.tex", to_latex(table.wide, name, table.title, notes))
    write_text(f"{prefix}.html", to_html(table.wide, name, table.title, notes))
    return [Path(f"{prefix}.{extension}") for extension in TABLE_EXTENSIONS]
