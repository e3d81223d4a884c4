"""What the tests of tables share: change a cell, make a table, find a value in it."""

import json
from pathlib import Path

import pandas
import yaml
from synthetic_results import REPO, load_config

from planning import needs
from rendering.scores import Table
from tables.tables import TABLES

PUBLISHED = REPO / "config" / "published"
# own_text belongs to a study of its own (test_own_text.py), and config/extras.yaml names further ones.
PAPER_TABLES = [name for name in TABLES if name in load_config()["tables"]]


def make(root: Path, config: dict, name: str) -> tuple[Table, dict]:
    settings = needs.settings("tables", name, config)
    return TABLES[name](root, settings, PUBLISHED), settings


def value(table: Table, row: str, model: str, benchmark: str, quantity: str) -> pandas.Series:
    frame = table.frame
    found = frame[
        (frame["row"] == row)
        & (frame["model"] == model)
        & (frame["benchmark"] == benchmark)
        & (frame["quantity"] == quantity)
    ]
    assert len(found) == 1, f"{row} {model} {benchmark} {quantity}: {len(found)} values"
    return found.iloc[0]


def edit(root: Path, cell: str, choice: str = "balance", seed: int = 0, **changes) -> None:
    """Change chosen.json of `cell` (model/benchmark/method/scope): fa=, ut= set scores, anything else a field."""
    path = root / "cells" / cell / f"seed-{seed}" / "chosen.json"
    content = json.loads(path.read_text())
    for key, new in changes.items():
        short = {"fa": "forget", "ut": "utility"}.get(key)
        if short:
            content[choice][short]["value"] = new
        else:
            content[choice][key] = new
    path.write_text(json.dumps(content))


QWEN = "micro-qwen/wmdp-cyber"
DEEPSEEK = "micro-deepseek/rwku"


def layered(*names: str) -> dict:
    """Files of config/ laid over one another, as Snakemake merges them: key by key."""

    def merged(base, own):
        if not (isinstance(base, dict) and isinstance(own, dict)):
            return own
        return base | {key: merged(base[key], value) if key in base else value for key, value in own.items()}

    config = {}
    for name in names:
        config = merged(config, yaml.safe_load((REPO / "config" / name).read_text()))
    return config


def layered_config() -> dict:
    """config.yaml with config/extras.yaml laid over it."""
    return layered("config.yaml", "extras.yaml")
