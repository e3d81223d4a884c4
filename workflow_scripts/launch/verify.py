"""Compare results with the hashes that were written down when they were made, and name what was changed since.

Reads every provenance/*.json and manifest.json below the given folders; writes nothing. Ends with status 1 if a file
was changed or is missing, or was made from another input than the one that is there now.
    python workflow_scripts/launch/verify.py results
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from jobs.files import read_json, sha256
from planning import layout


def findings(folder: Path) -> tuple[int, list[str]]:
    """Number of files compared, and one line for each that is not what it was."""
    expected: dict[Path, str] = {}
    lines = []
    for path in sorted(folder.rglob("provenance/*.json")):
        record, place = read_json(path), path.parent.parent
        expected |= {place / name: digest for name, digest in record["outputs"].items()}
    for path in sorted(folder.rglob(layout.MANIFEST)):
        expected |= {
            path.parent / layout.CHECKPOINTS / name: digest for name, digest in read_json(path)["checkpoints"].items()
        }
    now = {path: sha256(path) if path.is_file() else None for path in sorted(expected)}
    for path, digest in now.items():
        if digest is None and path.parent.is_dir():  # a folder that is gone as a whole was pruned, not changed
            lines.append(f"{path}: missing")
        elif digest is not None and digest != expected[path]:
            lines.append(f"{path}: changed since it was made")
    changed = {path for path, digest in now.items() if digest not in (None, expected[path])}
    for path in sorted(folder.rglob("provenance/*.json")):
        record, place = read_json(path), path.parent.parent
        for name, digest in record["inputs"].items():
            recorded = expected.get(Path(name))
            if recorded is not None and recorded != digest and Path(name) not in changed:
                lines.append(f"{place / next(iter(record['outputs']))}: made from another {name} than the one there")
    return sum(digest is not None for digest in now.values()), lines


def main() -> int:
    folders = [Path(word) for word in sys.argv[1:]] or [Path("results")]
    count, lines = 0, []
    for folder in folders:
        if not folder.is_dir():
            raise SystemExit(f"{folder}: no such folder")
        compared, differences = findings(folder)
        count, lines = count + compared, lines + differences
    print(*lines, f"{count} files compared, {len(lines)} not as they were made", sep="\n")
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main())
