"""The papers' printed values (config/published/*.csv), looked up by real model, benchmark, method and scope."""

from functools import cache
from pathlib import Path

import pandas


@cache
def read(folder: Path, name: str) -> pandas.DataFrame:
    """One csv, every value as the text that the paper prints."""
    path = folder / f"{name}.csv"
    if not path.is_file():
        raise SystemExit(f"{path}: no such file (the published values of {name})")
    return pandas.read_csv(path, dtype=str, keep_default_na=False)


def value(folder: Path, name: str, column: str, **keys: str | None) -> str:
    """The printed text of `column` in the one row that has all `keys`, or "" if the paper has no such row."""
    frame = read(folder, name)
    unknown = [key for key in (column, *keys) if key not in frame.columns]
    if unknown:
        raise SystemExit(f"{folder / name}.csv: column {unknown[0]!r} is missing (columns: {', '.join(frame.columns)})")
    matches = frame
    for key, wanted in keys.items():
        matches = matches[matches[key] == wanted]
    if len(matches) > 1:
        described = ", ".join(f"{key}={wanted}" for key, wanted in keys.items())
        raise SystemExit(f"{folder / name}.csv: {len(matches)} rows have {described}; one is expected")
    return "" if matches.empty else matches[column].iloc[0]
