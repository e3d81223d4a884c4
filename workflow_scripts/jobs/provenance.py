"""Record how each result was made, in provenance/<name>.json beside the result.

No table reads these records and no job has one as an input: they may differ where the results are equal.
`launch/verify.py` compares their hashes with the files.
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
        described = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:  # git is not installed
        described = ""
    return (described.removesuffix("-dirty"), described.endswith("-dirty")) if described else ("unknown", None)


def packages() -> dict[str, str]:
    """Versions of the libraries that are loaded."""
    versions = {"python": platform.python_version()}
    for name, module in list(sys.modules.items()):
        if "." in name or name in sys.stdlib_module_names:
            continue
        version = vars(module).get("__version__")  # not by getattr: some packages compute or warn there
        if version is None and hasattr(module, "__path__"):  # lazy packages, as transformers, do not hold it
            with contextlib.suppress(metadata.PackageNotFoundError):
                version = metadata.version(name)
        if isinstance(version, str):
            versions[name] = version
    return versions


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
    """By path. A model folder is represented by its record, a folder of checkpoints by its manifest."""
    digests = {}
    for path in map(Path, inputs):
        files = [path / name for name in MODEL_RECORDS] if path.is_dir() else [path]
        digests |= {file.as_posix(): sha256(file) for file in files if file.is_file()}
    return dict(sorted(digests.items()))


def _paths(value: object) -> bool:
    return isinstance(value, Path) or (isinstance(value, list) and any(isinstance(item, Path) for item in value))


def record(
    result: str | Path, settings: dict, inputs: Iterable[Path], outputs: Iterable[Path], **facts: object
) -> None:
    """Write the record of the file `result`, named by its stem.

    settings: the stage's arguments; `--settings` is merged into them and paths are left out. inputs: files or model
    folders. outputs: every file that the stage wrote. facts: anything else, such as hashes of weights.
    """
    result = Path(result)
    block = settings.get("settings", {}) | {key: value for key, value in settings.items() if key != "settings"}
    block = {key: value for key, value in block.items() if not _paths(value)}
    version, dirty = commit()
    training = block.get("training")
    rows = training.get("batch_size") if isinstance(training, dict) else block.get("batch_size")
    content = {
        "commit": version,
        "dirty": dirty,
        "settings": block,
        "settings_sha256": hashlib.sha256(json.dumps(block, sort_keys=True).encode()).hexdigest(),
        "packages": packages(),
        "inputs": _hashes(inputs),
        "outputs": {os.path.relpath(path, result.parent): sha256(path) for path in sorted(map(Path, outputs))},
        "seed": block.get("seed"),
        "device": device(),
        "world_size": int(os.environ.get("WORLD_SIZE", "1")),
        "effective_batch": rows,  # rows of one step, over all processes
    }
    write_json(result.parent / "provenance" / f"{result.stem}.json", content | facts)
