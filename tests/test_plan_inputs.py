# ruff: noqa: F811 (fixtures of other tests)
"""What jobs depend on beside their own settings: data, studies, environments; and that no input is missing."""

import json
import re
import subprocess
import sys
from pathlib import Path

import conda_stand_in
import traced_stage
import yaml
from forks import FORKS
from stub_project import ROOT, write_config
from test_plan import TABLES, config_of, counts, planned, project  # noqa: F401
from test_unlearn import METHODS, TRAINING, arguments, place  # noqa: F401

from planning.code import code_of

FIGURES = {"plot_figure figure3a"}


def same(jobs: set[str]) -> set[tuple[str, ...]]:
    """Jobs without the order of their wildcards, which differs with the output that asked for them."""
    return {tuple(sorted(job.replace("/", " ").split())) for job in jobs}


def edit(path: Path, text: str = "\n# edited\n") -> None:
    path.write_text(path.read_text() + text)


def test_a_new_revision_of_the_data_rebuilds_all_that_reads_it(project):
    """The size of the micro world is its revision. All starts from its texts, but the choice of nothing (baseline)."""
    every = planned(project, "--forceall")
    blind = {job for job in every if job.startswith("select_experts") and "/baseline/" in job}
    config = config_of(project)
    config["data"]["settings"]["passages"] += 1
    write_config(project, config)
    assert blind and same(planned(project)) == same(every - blind)
    assert {"build_world 0", "pretrain_micro micro-qwen/0", "unlearn micro-qwen/wmdp-cyber/ga/uoe/0"} <= every


def test_studies_do_not_touch_each_other(project):
    """Build another study; then the first has nothing to do, and the second has nothing to do, in any order."""
    config = config_of(project)
    config["study"], config["figures"] = "other", {}
    config["tables"] = {"quick": config["tables"]["table2"] | {"models": ["micro-qwen"], "methods": ["ga"]}}
    config["tables"]["quick"]["scopes"] = ["baseline"]
    (project / "config/other.yaml").write_text(yaml.safe_dump(config))
    other = ("--configfile", "config/other.yaml")
    jobs = planned(project, *other)
    assert {"build_world 0", "render_table quick"} <= jobs and not any("mixtral" in job for job in jobs)
    command = [sys.executable, "-m", "snakemake", "all_tables", "--cores", "2", "--quiet", "all", *other]
    before = {path: path.stat().st_mtime_ns for path in (project / "results/micro").rglob("*") if path.is_file()}
    subprocess.run(command, cwd=project, check=True, capture_output=True, timeout=300)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    for _ in range(2):
        assert planned(project) == set()
        assert planned(project, *other) == set()


def test_a_comment_in_an_environment_plans_nothing(project):
    for path in (project / "envs").glob("*.*"):
        if path.suffix in (".yaml", ".in", ".md"):
            edit(path)
    assert planned(project) == set()


def test_another_lock_rebuilds_what_runs_with_it(project):
    """What draws is drawn again; what is scored is scored again. `make`'s and Snakemake's own locks are no job's."""
    for name in ("requirements", "workflow"):
        edit(project / f"envs/{name}.lock")
    assert planned(project) == set()
    edit(project / "envs/rendering.lock")
    assert planned(project) == TABLES | FIGURES
    edit(project / "envs/evaluation.lock")
    rules = counts(planned(project))
    assert not rules.keys() & {
        "build_world",
        "pretrain_micro",
        "attribute_experts",
        "select_experts",
    }
    assert (rules["evaluate_original"], rules["tune"], rules["evaluate"]) == (2 * 2, 2 * 4, 2 * 4)
    edit(project / "envs/gpu.lock")
    assert same(planned(project)) == same(planned(project, "--forceall"))


def test_runs_with_and_without_conda_share_their_results(project, tmp_path, monkeypatch):
    """Built without conda: with it nothing is planned. A cell made again with it: without it nothing is planned."""
    place = tmp_path / "conda"
    for name, value in conda_stand_in.install(place).items():
        monkeypatch.setenv(name, value)
    assert planned(project, "--sdm", "conda") == set()

    cell = "micro-qwen/wmdp-cyber/ga/uoe/seed-0"
    selection = project / f"results/micro/selections/{cell.replace('ga/', '')}.json"
    selection.unlink()
    target = str(selection.relative_to(project))
    command = [sys.executable, "-m", "snakemake", target, "all_tables", "--cores", "2", "--quiet", "all"]
    done = subprocess.run([*command, "--sdm", "conda"], cwd=project, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    asked = conda_stand_in.said(place)
    for kind in ("gpu", "evaluation", "rendering"):
        assert f"create {kind}" in asked
        files = f"-r envs/{kind}.lock" + (" -r envs/cuda.lock" if kind != "rendering" else "")
        assert f"pip install --quiet --no-deps --require-hashes {files}" in asked
    ran = {line.removeprefix("python ") for line in asked if line.startswith("python ")}
    assert {"gpu workflow_scripts/unlearn.py", "evaluation workflow_scripts/evaluate.py"} <= ran
    assert "rendering workflow_scripts/render_table.py" in ran

    assert planned(project) == planned(project, "--sdm", "conda") == set()
    edit(project / "envs/gpu.yaml")  # another environment for conda, the same packages
    assert planned(project) == planned(project, "--sdm", "conda") == set()


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
    assert by_name == {"launch/start.py", "jobs/stage.py"}  # start.py runs the scripts
    # code.py lists code, state.py hashes what is loaded; tasks, relations and the figures' style are declared inputs.
    assert beside <= {
        *("planning/code.py", "jobs/state.py", "jobs/stage.py", "benchmarks/multiple_choice.py", "plot_figure.py"),
        *("launch/build.py", "launch/shard.py", "launch/verify.py", "micro/relations.py"),
    }


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
    training = TRAINING | {"steps": 1, "checkpoint_growth": 2, "probe_every": 1}
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
        declared = set(code_of("unlearn.py", f"methods/{method}.py", f"scopes/{kind}.py"))
        assert {f"workflow_scripts/methods/{method}.py", f"workflow_scripts/scopes/{kind}.py"} <= loaded
        assert loaded <= declared, (method, kind)
