"""Read and write the files between the stages. A file is replaced as a whole, so no reader sees half of one."""

import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

RECORD = "source.json"  # beside a downloaded model; beside a data file <file>.source.json


def read_json(path: str | Path) -> Any:
    """Parsed content of `path`; ends with one line if the file is missing or is not JSON."""
    try:
        return json.loads(Path(path).read_text())
    except FileNotFoundError:
        raise SystemExit(f"{path}: no such file") from None
    except json.JSONDecodeError as error:
        raise SystemExit(f"{path}: not valid JSON ({error})") from None


def read_jsonl(path: str | Path, columns: tuple[str, ...] = ()) -> list[dict]:
    """Rows of a JSON-lines file, each checked for `columns`; else ends with one line naming file, row and column.

    A downloaded file (one with a <file>.source.json beside it) must still be the one that was fetched.
    """
    record = Path(path).with_suffix(f".{RECORD}")
    if record.is_file() and Path(path).is_file() and read_json(record)["sha256"] != sha256(path):
        raise SystemExit(f"{path}: is not the file that was fetched (its sha256 differs from {record.name} beside it)")
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
            present = ", ".join(sorted(row))
            raise SystemExit(f"{path}, line {number}: column {missing[0]!r} is missing (columns found: {present})")
        rows.append(row)
    if not rows:
        raise SystemExit(f"{path}: the file has no rows")
    return rows


@contextmanager
def replacing(path: str | Path, *, sync: bool = False) -> Iterator[Path]:
    """A temporary file beside `path` to write to; it replaces `path` at the end and is removed after an error.

    sync: flush it to the disk first, so that even a crash of the machine leaves the old file or the new one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        if sync:
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)  # the disk may be full
        raise


def write_bytes(path: str | Path, data: bytes, *, sync: bool = False) -> None:
    """Write a file as a whole, or not at all; sync: as in `replacing`."""
    with replacing(path, sync=sync) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """The same for text, in UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Sorted keys, so that equal results are equal bytes and Snakemake's checksums can stop a rebuild there."""
    write_text(path, json.dumps(value, sort_keys=True, indent=1) + "\n")


def write_jsonl(path: str | Path, rows: list[dict]) -> None:
    """One JSON object a line."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def sha256(path: str | Path) -> str:
    """Hex digest of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hashes(folder: Path, names: list[str]) -> dict[str, str]:
    """sha256 of files, several at a time: hashing leaves Python's lock."""
    with ThreadPoolExecutor(8) as pool:
        return dict(zip(names, pool.map(lambda name: sha256(folder / name), names), strict=True))


def model_hash(folder: str | Path) -> str:
    """Hash of a model folder's weights: of the files' sha256 in name order.

    Where the folder has a source.json every file of it must still be the one recorded; ends with one line naming the
    first that is not.
    """
    folder = Path(folder)
    names = sorted(path.name for path in folder.glob("*.safetensors"))
    if not names:
        raise SystemExit(f"{folder}: no *.safetensors file; a model folder is needed")
    record = read_json(folder / RECORD)["files"] if (folder / RECORD).is_file() else {}
    for name in record:
        if not (folder / name).is_file():
            raise SystemExit(f"{folder / name}: is missing; {RECORD} beside it lists it")
    digests = hashes(folder, sorted({*names, *record}))
    for name, digest in digests.items():
        if record.get(name, digest) != digest or (record and name not in record):
            raise SystemExit(
                f"{folder / name}: is not the file that was fetched (sha256 differs from {RECORD} beside it)"
            )
    if len(names) == 1:
        return digests[names[0]]
    return hashlib.sha256("".join(f"{digests[name]}  {name}\n" for name in names).encode()).hexdigest()
