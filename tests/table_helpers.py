"""What the tests of tables share: change a cell, make a table, find a value in it."""

import importlib
import json
from pathlib import Path

import pandas
import yaml
from synthetic_results import REPO, load_config

from evidence.study import Study
from planning import pictures
from rendering.table import Table

PUBLISHED = REPO / "config" / "published"
# own_text belongs to a study of its own (test_own_text.py), and config/extras.yaml names further ones.
# Tables of FA and UT or of shares, whose frame is tidy.
OTHER_READS = {"TUNING", "PREDICTIONS"}
PAPER_TABLES = [n for n in load_config()["tables"] if not OTHER_READS & set(pictures.declared("tables", n)["READS"])]


def study_of(root: Path, config: dict, kind: str, name: str) -> Study:
    return Study(root, pictures.settings(kind, name, config), PUBLISHED)


def table_of(study: Study) -> Table:
    """The table of a study's settings."""
    return importlib.import_module(f"tables.{study.settings['name']}").table(study)


def figure_of(study: Study):
    """The figure of a study's settings."""
    return importlib.import_module(f"figures.{study.settings['name']}").figure(study)


def make(root: Path, config: dict, name: str) -> Table:
    return table_of(study_of(root, config, "tables", name))


def value(table: Table, row: str, model: str, benchmark: str, quantity: str) -> pandas.Series:
    frame = table.frame
    matches = frame[(frame["row"] == row) & (frame["model"] == model)]
    matches = matches[(matches["benchmark"] == benchmark) & (matches["quantity"] == quantity)]
    assert len(matches) == 1, f"{row} {model} {benchmark} {quantity}: {len(matches)} values"
    return matches.iloc[0]


def edit(root: Path, cell: str, choice: str = "balance", seed: int = 0, **changes) -> None:
    """Change chosen.json of `cell` (model/benchmark/method/scope): fa=, ut= set scores, anything else a field."""
    path = root / "cells" / cell / f"seed-{seed}" / "chosen.json"
    content = json.loads(path.read_text())
    for key, new in changes.items():
        if key in ("fa", "ut"):
            content[choice][key]["value"] = new
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
