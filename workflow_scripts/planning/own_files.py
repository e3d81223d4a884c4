"""Which real files a study reads from the folder `data_root`, checked before any job starts.

Standard library only: Snakemake imports this at every start.
"""

import json
from pathlib import Path

# Columns of each role; `data: settings: files` of a config names the files of a role.
COLUMNS = {
    "passages": ("subject", "text"),
    "retain": ("text",),
    "forget_level1": ("subject", "query", "answer"),
    "forget_level2": ("subject", "query", "answer"),
    "mmlu": ("question", "subject", "choices", "answer"),
}


def matching_files(root: str | Path, pattern: str) -> list[Path]:
    """Files below `root` that match, in order of their names: * matches within a folder, ** any folders."""
    return sorted(path for path in Path(root).glob(pattern) if path.is_file())


def settings_with_root(config: dict) -> dict:
    """The settings of a study's data generator; where it reads real files, with their folder as `root`."""
    settings = config["data"]["settings"]
    return settings | {"root": config["data_root"]} if "files" in settings else settings


def source_files(config: dict) -> list[str]:
    """Every real file that a study's data are made from; none where all is invented.

    Ends with one line if the folder, a file or (in a file's first row) a column is missing.
    """
    files, root = config["data"]["settings"].get("files"), config.get("data_root")
    if files is None:
        if root is not None:
            raise SystemExit(
                f"data_root={root}: study {config['study']!r} makes its own data (data: settings: files names no file)"
            )
        return []
    if root is None:
        raise SystemExit(
            "data_root is missing: name the folder that holds the files, for example --config data_root=my_texts"
        )
    if not Path(root).is_dir():
        raise SystemExit(f"data_root={root}: no such folder")
    if "passages" not in files:
        raise SystemExit("config, data: settings: files: passages is missing")
    matches = []
    for role, pattern in files.items():
        if role not in COLUMNS:
            raise SystemExit(f"config, data: settings: files: unknown key {role!r} (allowed: {', '.join(COLUMNS)})")
        paths = matching_files(root, pattern)
        if not paths:
            raise SystemExit(f"data_root={root}: no file {pattern} (data: settings: files: {role})")
        for path in paths:
            _check_first_row(path, COLUMNS[role])
        matches += paths
    return [str(path) for path in matches]


def _check_first_row(path: Path, columns: tuple[str, ...]) -> None:
    with path.open(encoding="utf-8") as file:
        first = next((line for line in file if line.strip()), "")
    try:
        row = json.loads(first)
    except json.JSONDecodeError:
        row = None
    if not isinstance(row, dict):
        raise SystemExit(
            f"{path}: the first row is not a JSON object; JSON lines with {', '.join(columns)} are expected"
        )
    for column in columns:
        if column not in row:
            raise SystemExit(f"{path}: column {column!r} is missing (columns found: {', '.join(row)})")
