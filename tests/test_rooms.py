"""The structure of workflow_scripts/: which room may import which, what planning may load, how long a file may be."""

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from rule_stages import rules

from planning.code import SCRIPTS, code_of, modules

# Arrows run down only: a room imports rooms that stand in a later row, or in its own.
FLOORS = (
    ("stages",),
    ("bench",),
    ("tables", "figures", "claims", "unlearning"),
    ("rendering",),
    ("evidence",),
    ("methods", "scopes", "benchmarks", "micro"),
    ("moe",),
    ("planning", "jobs"),
)
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted(path for path in SCRIPTS.rglob("*.py") if path.name != "__init__.py")


def room_of(path: Path) -> str:
    parts = path.relative_to(SCRIPTS).parts
    return parts[0] if len(parts) > 1 else "stages"


def imported(path: Path) -> set[Path]:
    """Modules of the project that a file imports anywhere."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    paths = (SCRIPTS / f"{name.replace('.', '/')}.py" for name in names)
    return {path for path in paths if path.is_file()}


def test_imports_run_down_and_no_stage_imports_a_stage():
    for path in FILES:
        room = room_of(path)
        if room == "launch":  # make's side: starts everything by path
            continue
        for other in imported(path):
            target = room_of(other)
            assert target != "stages" or room == "bench", f"{path} imports the stage {other.name}"
            assert LEVEL[target] >= LEVEL[room], f"{path}: {room} imports {target}, which stands above it"


def test_every_stage_is_named_as_its_rule():
    stages = {path.stem for path in SCRIPTS.glob("*.py")}
    read = rules()
    assert stages == {rule["stage"] for rule in read.values() if rule["stage"]}
    assert all(read[stage]["stage"] == stage for stage in stages)


@pytest.mark.parametrize("module", modules("planning"))
def test_planning_is_standard_library_only(module):
    """Snakemake loads it at every start: imported here without any installed package."""
    code = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); import planning.{module}"
    done = subprocess.run([sys.executable, "-S", "-I", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "stage", ["build_world", "pretrain_micro", "attribute_experts", "unlearn", "evaluate", "attack"]
)
def test_costly_stages_take_nothing_of_planning_but_names_in_a_cell(stage):
    """A new table, path or check of the config must not re-run a cell."""
    planning = {path for path in code_of(f"{stage}.py") if "/planning/" in path}
    assert planning <= {"workflow_scripts/planning/cell_files.py"}


def test_every_file_of_code_that_a_job_declares_is_there():
    """Pictures and claims, too: a constant of theirs must not be taken for a list of files."""
    for path in FILES:
        for declared in code_of(path.relative_to(SCRIPTS).as_posix()):
            assert (SCRIPTS.parent / declared).is_file(), f"{path}: {declared}"


def test_moe_needs_jobs_alone():
    for path in (SCRIPTS / "moe").glob("*.py"):
        assert {room_of(other) for other in imported(path)} <= {"moe", "jobs"}, path


def test_files_are_short_and_no_room_is_crowded():
    lines = {path: len(path.read_text().splitlines()) for path in FILES}
    assert max(lines.values()) <= 300, max(lines, key=lines.get)
    assert statistics.median(lines.values()) < 100
    rooms: dict[str, int] = {}
    for path, count in lines.items():
        rooms[room_of(path)] = rooms.get(room_of(path), 0) + count
    biggest = max(rooms, key=rooms.get)
    assert rooms[biggest] < 0.15 * sum(rooms.values()), f"{biggest}: {rooms[biggest]} of {sum(rooms.values())} lines"


def test_no_rule_is_long():
    root = SCRIPTS.parent
    assert len((root / "rules/common.smk").read_text().splitlines()) < 150
    for path in sorted((root / "rules").glob("*.smk")):
        text = path.read_text().splitlines()
        for start, line in enumerate(text):
            if line.startswith(("rule ", "use rule ")):
                body = []
                for following in text[start + 1 :]:
                    if following and not following.startswith(" "):
                        break
                    body.append(following)
                length = len([row for row in body if row.strip()])
                assert length <= 20, f"{path.name}: {line} has {length} lines"
