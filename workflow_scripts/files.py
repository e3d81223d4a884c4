"""Small files between the stages: read and written so that a half-written one is never taken for a whole one."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any


def read_json(path: str | Path) -> Any:
    """Parsed content of `path`; ends with one line if the file is missing or is not JSON."""
    try:
        return json.loads(Path(path).read_text())
    except FileNotFoundError:
        raise SystemExit(f"{path}: no such file") from None
    except json.JSONDecodeError as error:
        raise SystemExit(f"{path}: not valid JSON ({error})") from None


def read_jsonl(path: str | Path, columns: tuple[str, ...] = ()) -> list[dict]:
    """Rows of a JSON-lines file, each checked for `columns`; else ends with one line naming file, row and column."""
    rows = []
    try:
        lines = Path(path).read_text().split("\n")  # not splitlines(): texts may hold U+2028
    except FileNotFoundError:
        raise SystemExit(f"{path}: no such file") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise SystemExit(f"{path}, line {number}: not valid JSON ({error})") from None
        missing = [column for column in columns if column not in row]
        if missing:
            found = ", ".join(sorted(row))
            raise SystemExit(f"{path}, line {number}: column {missing[0]!r} is missing (columns found: {found})")
        rows.append(row)
    if not rows:
        raise SystemExit(f"{path}: the file has no rows")
    return rows


def write_text(path: str | Path, text: str) -> None:
    """Write through a temporary file in the same folder and a rename."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    temporary.write_text(text)
    os.replace(temporary, path)


def write_json(path: str | Path, value: Any) -> None:
    """Sorted keys, so that equal results are equal bytes and Snakemake's checksums can stop a rebuild there."""
    write_text(path, json.dumps(value, sort_keys=True, indent=1) + "\n")


def write_jsonl(path: str | Path, rows: list[dict]) -> None:
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def sha256(path: str | Path) -> str:
    """Hex digest of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
