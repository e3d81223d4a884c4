"""Which files of code a job runs: the declared inputs through which an edit re-runs those jobs and no others.

Standard library only: Snakemake imports this at every start.
"""

import ast
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).parents[1]


@cache
def code_of(*scripts: str) -> tuple[str, ...]:
    """The scripts (paths below workflow_scripts/) and every project module that they import, however deep.

    These are the declared inputs of a rule, so that an edit re-runs the jobs that run the edited code and no others.
    Modules named at run time (methods, scopes) are passed in as scripts of their own. A module that reads files beside
    the code names them, or patterns, in a literal FILES_BESIDE.
    """
    seen, waiting = set(), list(scripts)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting += _imports(name)
        beside = [path for pattern in constants(name).get("FILES_BESIDE", ()) for path in SCRIPTS.glob(pattern)]
        seen |= {path.relative_to(SCRIPTS).as_posix() for path in beside}
    return tuple(sorted(f"workflow_scripts/{name}" for name in seen))


@cache
def _imports(name: str) -> tuple[str, ...]:
    names = set()
    for node in ast.walk(ast.parse((SCRIPTS / name).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    paths = (f"{dotted.replace('.', '/')}.py" for dotted in names)
    return tuple(sorted(path for path in paths if (SCRIPTS / path).is_file()))


@cache
def constants(path: str) -> dict:
    """The constants of a module (path below workflow_scripts/) whose values are literals, read without importing it.

    So pictures, claims and scopes declare what they need in their own files; their libraries are not loaded for it.
    """
    assignments = {}
    for node in ast.parse((SCRIPTS / path).read_text()).body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            try:
                assignments[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:  # computed
                continue
    return assignments


def modules(folder: str) -> list[str]:
    """Names of the modules in a folder below workflow_scripts/, sorted."""
    return sorted(path.stem for path in (SCRIPTS / folder).glob("*.py") if path.stem != "__init__")
