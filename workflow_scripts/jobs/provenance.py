"""Beside every result: what made it, in provenance/<name>.json next to the result's own files.

No table reads it and no job has it as an input, so that equal numbers stay equal bytes and rebuild nothing, whoever
made them when. `verify.py` compares the hashes in it with what is there.
"""

import contextlib
import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from jobs.files import sha256, write_json

MODEL_RECORDS = ("pretraining.json", "source.json")  # stand for a model folder's weights


def commit() -> tuple[str, bool | None]:
    """Commit of the working folder and whether tracked files differ from it; ("unknown", None) outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:  # no git here
        found = ""
    return (found.removesuffix("-dirty"), found.endswith("-dirty")) if found else ("unknown", None)


def packages() -> dict[str, str]:
    """Versions of the libraries that are loaded."""
    found = {"python": platform.python_version()}
    for name, module in list(sys.modules.items()):
        if "." in name or name in sys.stdlib_module_names:
            continue
        version = vars(module).get("__version__")  # not by getattr: some packages compute or warn there
        if version is None and hasattr(module, "__path__"):  # lazy packages, as transformers, do not hold it
            with contextlib.suppress(metadata.PackageNotFoundError):
                version = metadata.version(name)
        if isinstance(version, str):
            found[name] = version
    return found


def device() -> str:
    """Name of the GPU, or the CPU's architecture."""
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch and torch.cuda.is_available() else f"cpu ({platform.machine()})"


def files_named(block: object, folder: Path) -> list[Path]:
    """Data files (*.jsonl) that a config block names anywhere, below `folder`."""
    if isinstance(block, dict):
        return [path for value in block.values() for path in files_named(value, folder)]
    if isinstance(block, list):
        return [path for value in block for path in files_named(value, folder)]
    return [folder / block] if isinstance(block, str) and block.endswith(".jsonl") else []


def _hashes(inputs: Iterable[Path]) -> dict[str, str]:
    """By path; a model folder is hashed through its record, a folder of checkpoints is left to its manifest."""
    found = {}
    for path in map(Path, inputs):
        files = [path / name for name in MODEL_RECORDS] if path.is_dir() else [path]
        found |= {file.as_posix(): sha256(file) for file in files if file.is_file()}
    return dict(sorted(found.items()))


def _paths(value: object) -> bool:
    return isinstance(value, Path) or (isinstance(value, list) and any(isinstance(item, Path) for item in value))


def record(
    result: str | Path, settings: dict, inputs: Iterable[Path], outputs: Iterable[Path], **facts: object
) -> None:
    """Write the record of `result` (a file; its name without the ending names the record).

    settings: arguments of the stage, of which paths are left out; inputs: files, or model folders; outputs: every file
    that the stage wrote; facts: what else is to be said, hashes of weights for example.
    """
    result = Path(result)
    block = {key: value for key, value in settings.items() if not _paths(value)}
    version, dirty = commit()
    world = int(os.environ.get("WORLD_SIZE", "1"))
    training = block.get("training")
    rows = training.get("batch_size") if isinstance(training, dict) else block.get("batch_size")
    known = {
        "commit": version,
        "dirty": dirty,
        "settings": block,
        "settings_sha256": hashlib.sha256(json.dumps(block, sort_keys=True).encode()).hexdigest(),
        "packages": packages(),
        "inputs": _hashes(inputs),
        "outputs": {os.path.relpath(path, result.parent): sha256(path) for path in sorted(map(Path, outputs))},
        "seed": block.get("seed"),
        "device": device(),
        "world_size": world,
        "effective_batch": rows,  # rows of one step, over all processes
    }
    write_json(result.parent / "provenance" / f"{result.stem}.json", known | facts)
