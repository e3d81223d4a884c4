"""Reads project files without importing them. Standard library only: Snakemake imports this at every start."""

import ast
from functools import cache
from pathlib import Path
from typing import Any


@cache
def constants(path: Path) -> dict[str, Any]:
    """Every module-level `NAME = literal` of a Python file."""
    values = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            try:
                values[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:  # not a literal
                continue
    return values
