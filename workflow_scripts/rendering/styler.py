"""What LaTeX and HTML share: pandas' Styler over a table's escaped texts."""

from collections.abc import Callable

import pandas
from pandas.io.formats.style import Styler

from rendering.table import PAPER, Wide


def styler(wide: Wide, words: dict[str, str], escape: Callable[[str], str]) -> Styler:
    """words: what the output makes of each word of a cell's style. The row labels are the first column."""
    css = wide.styles.map(lambda style: "".join(words[word] for word in style.split()))
    texts = wide.texts.map(escape)
    texts.columns = pandas.MultiIndex.from_tuples([tuple(map(escape, column)) for column in wide.texts.columns])
    css.columns = texts.columns
    made = Styler(texts, cell_ids=False).hide(axis="index").apply(lambda _: css, axis=None)
    return made.format_index(lambda head: PAPER.strip() if head.endswith(PAPER) else head, axis=1, level=1)
