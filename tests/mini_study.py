"""A copy of the project with a miniature hub, in which studies on real models run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import mini_hub
import yaml
from stub_project import PARTS, ROOT

# The miniatures' texts are short.
SMALL = {
    "training": {
        "block_length": 32,
        "steps": 2,
        "checkpoint_growth": 2,
        "probe_every": 1,
        "probe_blocks": 2,
        "rows_at_once": 3,
    },
    "threads": 1,
}


def project(folder: Path) -> Path:
    """Copy the project to `folder`, make the hub there, and small.yaml: sizes, and every source by path."""
    for part in PARTS:
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
    sources = mini_hub.write_hub(folder / "hub", ROOT)
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL | {"sources": str(sources)}))
    return folder


def snakemake(folder: Path, *words: str, study: tuple[str, ...]) -> subprocess.CompletedProcess:
    start = [sys.executable, "workflow_scripts/launch/start.py", "--warm", sys.executable, "-m", "snakemake"]
    command = [*start, *words, "--cores", "2", "--configfile", *study]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280, env=environment)
