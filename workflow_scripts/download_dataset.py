"""Fetch one data file of a real dataset, from the hub or from a local folder in the hub's layout.

Reads the sources file; writes OUTPUT (JSON lines, columns as on the hub) and beside it <name>.source.json: repository,
commit, sha256 of the repository's files and of OUTPUT. The only stage besides download_model.py that uses the network.
    python workflow_scripts/download_dataset.py --sources config/sources.yaml --dataset rwku \\
        --file forget_level1.jsonl --output results/paper/data/rwku/forget_level1.jsonl
"""

import json
from pathlib import Path

from jobs.files import RECORD, hashes, sha256, write_json, write_jsonl
from jobs.stage import parser
from planning.sources import (
    check_commit,
    check_pinned,
    entry_of,
    hub_failure,
    local_commit,
    matching,
    read_sources,
    record_of,
)


def rows_of(path: Path) -> list[dict]:
    """Rows of a parquet file, a JSON array or JSON lines."""
    if path.suffix == ".parquet":
        import pyarrow.parquet

        return pyarrow.parquet.read_table(path).to_pylist()
    text = path.read_text(encoding="utf-8")
    try:
        if text.lstrip().startswith("["):
            return json.loads(text)
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    except json.JSONDecodeError as error:
        raise SystemExit(f"{path}: neither a JSON array nor JSON lines ({error})") from None


def from_hub(entry: dict, pattern: str, where: str) -> tuple[Path, list[str], str]:
    """(folder, files in it, commit) of the repository's files that match."""
    import huggingface_hub

    try:
        info = huggingface_hub.HfApi().dataset_info(entry["repo"], revision=entry["revision"])
        names = matching([sibling.rfilename for sibling in info.siblings], pattern, where)
        folder = huggingface_hub.snapshot_download(
            entry["repo"], repo_type="dataset", revision=info.sha, allow_patterns=names
        )
    except Exception as error:  # the hub's client raises many kinds; the user needs one line
        raise hub_failure(error, entry, where) from None
    return Path(folder), names, info.sha


def from_folder(entry: dict, pattern: str, where: str) -> tuple[Path, list[str], str | None]:
    folder = Path(entry["path"])
    if not folder.is_dir():
        raise SystemExit(f"{where}: path {folder}: no such folder")
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    names = matching(names, pattern, f"{where}: path {folder}")
    commit = local_commit(folder, names[0])
    check_commit(commit, entry["revision"], f"{where}: path {folder}")
    return folder, names, commit


def main() -> None:
    arguments = parser(__doc__, "sources", "output")
    arguments.add_argument("--dataset", required=True)
    arguments.add_argument("--file", required=True, help="as under `files:` of the dataset")
    args = arguments.parse_args()
    entry = entry_of(read_sources(args.sources), "datasets", args.dataset, str(args.sources))
    where = f"{args.sources}, datasets: {args.dataset}"
    if args.file not in entry["files"]:
        raise SystemExit(f"{where}: files: no {args.file!r} (there: {', '.join(entry['files'])})")
    fetch = from_folder if entry.get("path") else from_hub
    folder, names, commit = fetch(entry, entry["files"][args.file], where)
    digests = hashes(folder, names)
    check_pinned(digests, entry.get("sha256"), where)
    rows = [row for name in names for row in rows_of(folder / name)]
    if not rows:
        raise SystemExit(f"{where}: {names[0]}: no rows")
    for column in entry.get("columns") or ():
        if column not in rows[0]:
            raise SystemExit(f"{where}: {names[0]}: column {column!r} is missing (columns: {', '.join(rows[0])})")
    write_jsonl(args.output, rows)
    record = record_of(entry, commit, digests) | {"rows": len(rows), "sha256": sha256(args.output)}
    write_json(args.output.with_suffix(f".{RECORD}"), record)
    print(f"{args.dataset}/{args.file}: {len(rows):,} rows, commit {commit or 'unknown'}")


if __name__ == "__main__":
    main()
