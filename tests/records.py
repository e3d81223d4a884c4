"""Which files of a study nobody put on record."""

import os
from pathlib import Path

from jobs.files import read_json

NO_RESULTS = ("logs", "state")  # with what jobs cost, and of unfinished ones
MARK = ".snakemake_timestamp"  # Snakemake's own, in an output that is a folder


def unrecorded(study: Path) -> list[str]:
    """Files below results/<study>/ that no provenance, no manifest and no source.json names."""
    named = set()
    for path in study.rglob("provenance/*.json"):
        named |= {os.path.normpath(path.parent.parent / name) for name in read_json(path)["outputs"]}
    for path in study.rglob("manifest.json"):
        named |= {str(path.parent / "checkpoints" / name) for name in read_json(path)["checkpoints"]}
    for path in study.rglob("source.json"):  # of a model
        named |= {str(path), *(str(path.parent / name) for name in read_json(path)["files"])}
    for path in study.rglob("?*.source.json"):  # of a data file
        named |= {str(path), str(path).removesuffix(".source.json") + ".jsonl"}
    files = [
        path
        for path in study.rglob("*")
        if path.is_file() and path.name != MARK and path.relative_to(study).parts[0] not in NO_RESULTS
    ]
    return sorted(
        str(path.relative_to(study)) for path in files if path.parent.name != "provenance" and str(path) not in named
    )
