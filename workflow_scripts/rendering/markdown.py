"""A table as Markdown."""

import pandas

from rendering.table import PAPER, Wide


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
