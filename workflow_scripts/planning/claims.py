"""What the ledger of claims reads: a file of claims/ declares the cells that its claims rest on, and its caption.

Standard library only: Snakemake imports this at every start. The literals are read without importing claims/:
    CELLS    (benchmarks, methods, scopes) of the cells; a scope may be a pattern as uoe-rank-*
    ATTACKS  names of attacks on these cells, and on retrained models; those are read that some table or figure shows
    CAPTION  text for the report (ledger.py, audit/audit.py)
"""

from fnmatch import fnmatch
from pathlib import Path

from planning import layout
from planning.code import constants, modules
from planning.pictures import KINDS, MODEL_KEYS, attacked, declared, grid, pattern, tests_block

FILES_OF_CELLS = (layout.CHOSEN, layout.METRICS, layout.TRAJECTORY, layout.PARAMETERS)
CAPTIONS = {"claims": "claims/ledger.py", "audit": "claims/audit/audit.py"}


def caption(name: str) -> str:
    """Text of the report beside the table `claims` or `audit`."""
    return constants(CAPTIONS[name])["CAPTION"]


def cells(config: dict) -> list[tuple[str, str, str, str]]:
    """(model, benchmark, method, scope) of the grid that some claim rests on."""
    claimed = [entry for block in _declared() for entry in block.get("CELLS", ())]
    return [cell for cell in grid(config) if _among(cell, claimed)]


def attacks(config: dict) -> list[tuple[str, ...]]:
    """(attack, model, benchmark, method, scope) that some claim rests on, (attack, model, benchmark) of retrained
    models."""
    shown = [entry for kind in KINDS for name in config[kind] for entry in attacked(kind, name, config)]
    return [
        entry
        for entry in dict.fromkeys(shown)
        if any(
            entry[0] in block.get("ATTACKS", ()) and (len(entry) == 3 or _among(entry[1:], block["CELLS"]))
            for block in _declared()
        )
    ]


def _declared() -> list[dict]:
    """The literals of each file of claims."""
    return [constants(f"claims/{name}.py") for name in modules("claims")]


def _among(cell: tuple, claimed: list | tuple) -> bool:
    return any(
        cell[1] in benchmarks and cell[2] in methods and any(fnmatch(cell[3], scope) for scope in scopes)
        for benchmarks, methods, scopes in claimed
    )


def models(config: dict) -> list[str]:
    return sorted({cell[0] for cell in cells(config)})


def checked_attributions(config: dict) -> list[list[str]]:
    """[model, benchmark] whose attribution the study checks, for a table that shows it."""
    blocks = [
        block for name, block in config["tables"].items() if "ATTRIBUTION_CHECKS" in declared("tables", name)["READS"]
    ]
    return [[model, benchmark] for block in blocks for model in block["models"] for benchmark in block["benchmarks"]]


def settings(config: dict) -> dict:
    """All that the ledger reads of the config."""
    return {
        "study": config["study"],
        "world": config.get("world") or config["study"],
        "seeds": config["seeds"],
        "models": {name: {key: model.get(key) for key in MODEL_KEYS} for name, model in config["models"].items()},
        "tests": tests_block(config, list(config["benchmarks"])),
        "cells": [list(cell) for cell in cells(config)],
        "attacks": [list(entry) for entry in attacks(config)],
        "checked_attributions": checked_attributions(config),
    }


def files(config: dict) -> list[str]:
    """Paths below results/<study>/ that the ledger reads, each once."""
    claimed, paths = cells(config), []

    def add(file: str, model: str, benchmark: str, **place: str) -> None:
        place = {"model": model, "benchmark": benchmark} | place
        paths.extend(layout.path(pattern(file), seed=seed, **place) for seed in config["seeds"])

    for model, benchmark, method, scope in claimed:
        for file in FILES_OF_CELLS:
            add(file, model, benchmark, method=method, scope=scope)
        if name := config["methods"][method].get("token_weights"):
            add(layout.TOKEN_WEIGHTS_RECORD, model, benchmark, name=name)
        add(layout.ORIGINAL, model, benchmark)
        if len(config["seeds"]) == 1:  # intervals over questions
            add(layout.PREDICTIONS, model, benchmark, method=method, scope=scope)
            add(layout.ORIGINAL_PREDICTIONS, model, benchmark)
        if scope == "uoe":
            add(layout.AFFINITY, model, benchmark)
        if "privleak_test" in config["benchmarks"][benchmark]:  # measured against the retrained model
            add(layout.RETRAINED, model, benchmark)
    for attack, model, benchmark, *cell in attacks(config):
        if cell:
            add(layout.ATTACK, model, benchmark, method=cell[0], scope=cell[1], attack=attack)
        else:
            add(layout.RETRAINED_ATTACK, model, benchmark, attack=attack)
    for pair in checked_attributions(config):
        add(layout.ATTRIBUTION_CHECKS, *pair)
    return list(dict.fromkeys(paths))


def other_verdicts(study: str) -> list[str]:
    """Verdicts of the other studies that are there: the ledger shows those of every world."""
    paths = sorted(Path("results").glob(f"*/{layout.CLAIMS}"))
    return [str(path) for path in paths if path.parent.name != study]
