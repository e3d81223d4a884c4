"""A table as an HTML page."""

import html

import pandas

from rendering.styler import styler
from rendering.table import Wide

STYLES = {"best": "font-weight: bold;", "loss": "color: #c00000;", "paper": "opacity: 0.65;"}
CSS = (
    "body{font:14px/1.45 "
    "system-ui,sans-serif;margin:1.5em;color:#1a1a1a;background:#fff}table{border-collapse:collapse;margin:1em "
    "0}caption{caption-side:top;text-align:left;font-weight:600;padding-bottom:.6em}th,td{padding:.3em "
    ".6em;text-align:right;white-space:nowrap}th{border-bottom:1px solid "
    "#555;text-align:center}td:first-child{text-align:left}tbody tr:last-child td{border-bottom:1px solid "
    "#555}td.first{border-top:1px solid #bbb}ul{max-width:60em;padding-left:1.2em}"
)
SENTENCES = "td{white-space:normal;text-align:left;vertical-align:top}"


def to_html(wide: Wide, name: str, title: str, notes: list[str]) -> str:
    """A whole page that needs nothing else."""
    made = styler(wide, STYLES, html.escape).set_caption(html.escape(title))
    classes = pandas.DataFrame("", index=made.index, columns=made.columns)
    classes.iloc[wide.starts] = "first"  # of a block of rows
    table = made.set_td_classes(classes).to_html(table_uuid=name, table_attributes=f'aria-label="{name}"')
    items = "\n".join(f"<li>{html.escape(note)}</li>" for note in notes)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{CSS}{SENTENCES if wide.widths else ''}</style></head>\n"
        f"<body>\n{table}\n<ul>\n{items}\n</ul>\n</body></html>\n"
    )
