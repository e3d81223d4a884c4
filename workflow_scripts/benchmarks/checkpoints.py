"""Load models for tests: a model folder, a checkpoint by its file name, the checkpoint that was chosen for a cell."""

import re
from pathlib import Path

from torch import nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from jobs.files import read_json
from moe.loading import load_model
from planning import cell_files


def load(folder: Path, precision: str) -> tuple[nn.Module, PreTrainedTokenizerBase]:
    """The untouched model and its tokenizer."""
    return load_model(folder, precision), AutoTokenizer.from_pretrained(folder)


def step_of(path: Path) -> int:
    """Step of a checkpoint, from its file's name; one line if it has another name."""
    match = re.fullmatch(r"step-(\d+)\.safetensors", path.name)
    if not match:
        raise SystemExit(f"{path}: a checkpoint must be called step-NNNN.safetensors")
    return int(match.group(1))


def chosen_checkpoint(cell: Path) -> tuple[dict, Path]:
    """The entry `balance` of the cell's chosen.json, and its checkpoint's file."""
    choice = read_json(cell / cell_files.CHOSEN)["balance"]
    return choice, cell / cell_files.CHECKPOINTS / cell_files.checkpoint(choice["step"])
