# ruff: noqa: F811 (fixtures of other tests)
"""What jobs depend on beside their own settings: data, studies, environments; and that no input is missing."""

import json
import re
from pathlib import Path

import traced_stage
from forks import FORKS
from stub_project import ROOT
from test_plan import TABLES, config_of, counts, planned, project  # noqa: F401
from test_unlearn import METHODS, TRAINING, arguments, place  # noqa: F401

import study

FIGURES = {"plot_figure figure3a"}


def edit(path: Path, text: str = "\n# edited\n") -> None:
    path.write_text(path.read_text() + text)


def test_a_comment_in_an_environment_plans_nothing(project):
    for path in (project / "envs").glob("*.*"):
        if path.suffix in (".yaml", ".in", ".md"):
            edit(path)
    assert planned(project) == set()


def test_nothing_is_imported_or_opened_behind_the_back_of_the_inputs():
    """`code_of` follows import statements. Modules by name and files beside the code are exceptions: each is known."""
    by_name, beside = set(), set()
    for path in (ROOT / "workflow_scripts").rglob("*.py"):
        text, name = path.read_text(), path.relative_to(ROOT / "workflow_scripts").as_posix()
        if name.startswith("bench"):  # `make bench` is no job
            continue
        if re.search(r"\b(importlib\.import_module|__import__|runpy\.run_path|exec)\(", text):
            by_name.add(name)
        if "__file__" in text:
            beside.add(name)
    assert by_name == {"start.py", "unlearn.py"}  # start.py runs the scripts; unlearn.py methods and scopes
    # study.py lists code, state.py hashes what is loaded; lm-eval's tasks and the figures' style are declared inputs.
    assert beside <= {"study.py", "state.py", "benchmarks/multiple_choice.py", "plot_figure.py"}


SCOPES = [
    ({"kind": "uoe", "alpha": 1.0}, "selection"),
    ({"kind": "random", "draw": 1, "alpha": 1.0}, "selection"),
    ({"kind": "esft", "threshold": 0.15, "score": "token"}, "unanchored"),
    *(({"kind": kind}, "nothing") for kind in ("baseline", "experts", "routers", "experts_routers", "hook_mlps")),
    ({"kind": "lora", "rank": 2}, "nothing"),
]


def test_what_a_real_run_loads_and_opens_is_declared(place, tmp_path):
    """unlearn.py with every method and with every scope, each in a process of its own."""
    kinds = {path.stem for path in (ROOT / "workflow_scripts/scopes").glob("*.py")} - {"__init__"}
    assert {scope["kind"] for scope, _ in SCOPES} == kinds
    runs = [(method, *SCOPES[0]) for method in METHODS] + [("rmu", *scope) for scope in SCOPES[1:]]
    (place / "unanchored.json").write_text(json.dumps({"experts": {"2": [1]}, "routers": [], "anchor": {}}))
    training = json.dumps(TRAINING | {"steps": 1, "checkpoint_every": 1})
    started = []
    for number, (method, scope, selection) in enumerate(runs):
        record = tmp_path / f"{number}.json"
        given = arguments(
            place, tmp_path / str(number), method=method, scope=scope, selection=selection, training=training
        )
        process = FORKS.Process(target=traced_stage.unlearned, args=(given, record))
        process.start()
        process.join(90)
        started.append((method, scope["kind"], record))
    for method, kind, record in started:
        loaded = set(json.loads(record.read_text()))
        declared = set(study.code_of("unlearn.py", f"methods/{method}.py", f"scopes/{kind}.py"))
        assert {f"workflow_scripts/methods/{method}.py", f"workflow_scripts/scopes/{kind}.py"} <= loaded
        assert loaded <= declared, (method, kind)
