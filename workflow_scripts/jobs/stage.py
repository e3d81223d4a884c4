"""What the command lines of all stages share: the parser and its common options. Standard library only."""

import argparse
import importlib
import json
from pathlib import Path
from types import ModuleType

SCRIPTS = Path(__file__).resolve().parents[1]

OPTIONS = {
    "settings": {"type": json.loads, "required": True, "help": "the job's block of the config, as JSON"},
    "model": {"type": Path, "required": True, "help": "model folder"},
    "data": {"type": Path, "required": True, "help": "folder of the benchmarks' files"},
    "cell": {"type": Path, "required": True, "help": "folder of the cell"},
    "selection": {"type": Path, "required": True, "help": "the scope's selected experts"},
    "sources": {"type": Path, "required": True, "help": "the sources file, as config/sources.yaml"},
    "seed": {"type": int, "required": True},
    "threads": {"type": int, "default": 1},
    "state": {"type": Path, "help": "folder of the working state, from which an interrupted job resumes"},
    "state-every": {"type": int, "default": 50, "help": "steps between two saved states"},
    "limit-gb": {"type": float, "default": 8.0, "help": "GB of hidden states that may be kept"},
    "output": {"type": Path, "required": True},
}


def parser(doc: str, *options: str) -> argparse.ArgumentParser:
    """A stage's parser, described by its docstring, with the named options of OPTIONS."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in options:
        made.add_argument(f"--{name}", **OPTIONS[name])
    return made


def load(room: str, name: str) -> ModuleType:
    """The module of a method, scope, table … by its name in the config; one line if there is none."""
    names = sorted(path.stem for path in (SCRIPTS / room).glob("*.py") if path.stem != "__init__")
    if name not in names:
        raise SystemExit(f"{room}: there is no {name!r} (allowed: {', '.join(names)})")
    return importlib.import_module(f"{room}.{name}")
