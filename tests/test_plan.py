"""What a change costs: the grid is built once with stand-in stages, one thing is changed, and the exact set of planned
jobs is asserted. Snakemake, the rules, the config and the scripts (as checksummed inputs) are the real ones.
"""

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from stub_project import ROOT, snakemake, write_config

from planning import pictures
from planning.code import code_of


def planned(folder: Path, *arguments: str, target: str | None = None) -> set[str]:
    """Planned jobs as "rule model/benchmark/method/scope…" (the wildcards in order), collecting rules left out."""
    result = snakemake(folder, "-n", *arguments, target=target)
    assert result.returncode == 0, result.stderr
    jobs = set()
    for block in re.split(r"\n(?=rule |localrule )", result.stdout + result.stderr)[1:]:
        rule = re.match(r"(?:local)?rule (\w+):", block).group(1)
        wildcards = re.search(r"wildcards: (.*)", block)
        values = [pair.split("=", 1)[1] for pair in wildcards.group(1).split(", ")] if wildcards else []
        if rule not in ("all", "all_tables", "all_figures"):
            jobs.add(" ".join([rule, "/".join(values)]).strip())
    return jobs


@pytest.fixture
def project(built, tmp_path) -> Path:
    """A copy of the built project, with file times and Snakemake's own records kept: free to change."""
    return Path(shutil.copytree(built, tmp_path / "project", copy_function=shutil.copy2))


def config_of(folder: Path) -> dict:
    return yaml.safe_load((folder / "config/config.yaml").read_text())


def counts(jobs: set[str]) -> Counter:
    return Counter(job.split()[0] for job in jobs)


def cells_of(*words: str) -> set[str]:
    """Jobs from tuning to choice of the cells whose method x scope are given as "ga/uoe"."""
    jobs = set()
    for word in words:
        method, scope = word.split("/")
        for model in ("micro-qwen", "micro-mixtral"):
            cell = f"{model}/wmdp-cyber/{method}/{scope}"
            jobs |= {f"{rule} {cell}/0" for rule in ("unlearn", "evaluate", "choose_checkpoint")}
            jobs.add(f"tune {cell}")
    return jobs


TABLES = {"render_table table2", "render_table tuning"}


def test_nothing_changed(project):
    assert planned(project) == set()


def test_touching_or_cloning_again_plans_nothing(project):
    for path in [*project.glob("workflow_scripts/**/*.py"), *project.glob("config/**/*")]:
        path.touch()
    assert planned(project) == set()


def test_reordered_config_keys_plan_nothing(project):
    config = config_of(project)
    turned = {key: config[key] for key in reversed(config)}
    turned["methods"] = dict(reversed(config["methods"].items()))
    turned["training"] = dict(reversed(config["training"].items()))
    (project / "config/config.yaml").write_text(yaml.safe_dump(turned, sort_keys=False))
    assert planned(project) == set()


def test_editing_a_method_file_rebuilds_its_cells(project):
    with open(project / "workflow_scripts/methods/rmu.py", "a") as file:
        file.write("\nEDITED = True\n")
    assert planned(project) == cells_of("rmu/baseline", "rmu/uoe") | TABLES


def test_editing_a_scope_file_rebuilds_its_cells(project):
    with open(project / "workflow_scripts/scopes/uoe.py", "a") as file:
        file.write("\nEDITED = True\n")
    seeds = (0, config_of(project)["tuning"]["seed"])  # the file also says how the expert is selected
    models = ("micro-qwen", "micro-mixtral")
    selections = {f"select_experts {model}/wmdp-cyber/uoe/{seed}" for model in models for seed in seeds}
    assert planned(project) == cells_of("ga/uoe", "rmu/uoe") | selections | TABLES


def test_a_methods_settings_rebuild_its_cells(project):
    config = config_of(project)
    config["methods"]["rmu"]["steering"] = 7.0
    write_config(project, config)
    assert planned(project) == cells_of("rmu/baseline", "rmu/uoe") | TABLES


def test_what_jobs_ask_of_a_cluster_rebuilds_nothing(project):
    config = config_of(project)
    config["jobs"] = {"unlearn": {"gpu": 4, "mem_mb": 99_000}, "unlearn/uoe": {"runtime": 7}}
    config["models"]["micro-qwen"]["jobs"] = {"evaluate": {"gpu": 2}}
    write_config(project, config)
    assert planned(project) == set()


def test_evaluation_batch_size_evaluates_and_unlearns_nothing(project):
    config = config_of(project)
    config["evaluation"]["batch_size"] = 32
    write_config(project, config)
    rules = counts(planned(project))
    # Trials are scored as they go; that the cells' settings stay is known only once they are in.
    assert rules["pretrain_micro"] == rules["attribute_experts"] == 0
    assert (rules["tune"], rules["evaluate"]) == (2 * 4, 2 * 4)


def test_how_much_may_be_kept_plans_nothing(project):
    config = config_of(project)
    config["prefix_gb"] = 1
    write_config(project, config)
    assert planned(project) == set()


def test_what_cells_share_is_made_once(project):
    """Per model and seed one file; the cells that do not use it (baseline) do not wait for it."""
    made = sorted(path.relative_to(project).as_posix() for path in project.glob("results/micro/prefix/**/*.*"))
    seeds = (0, config_of(project)["tuning"]["seed"])
    names = [f"{model}/wmdp-cyber/seed-{seed}" for model in ("micro-mixtral", "micro-qwen") for seed in seeds]
    assert made == [f"results/micro/prefix/{name}.safetensors" for name in names]
    (project / made[-2]).unlink()
    assert planned(project) == set()


def test_adding_a_model_builds_that_model_only(project):
    config = config_of(project)
    config["tables"]["table2"]["models"].append("micro-deepseek")
    write_config(project, config)
    jobs = planned(project)
    assert {job for job in jobs if "micro-deepseek" not in job} == TABLES
    assert counts(jobs)["pretrain_micro"] == 2  # the reported seed and the tuning seed
    assert counts(jobs)["unlearn"] == 4


def test_removing_a_model_renders_only(project):
    config = config_of(project)
    for kind in ("tables", "figures"):
        for block in config[kind].values():
            if "models" in block:
                block["models"].remove("micro-mixtral")
    write_config(project, config)
    assert planned(project) == TABLES | {"plot_figure figure3a"}


def test_adding_a_seed_builds_that_seed_only(project):
    jobs = planned(project, "--config", "seeds=[0,1]")
    others = {job for job in jobs if not job.endswith(("/1", " 1")) and "/1/" not in job}
    assert others == TABLES | {"plot_figure figure3a"}  # the tuning table names the seeds in its note
    assert counts(jobs)["pretrain_micro"] == 2 and counts(jobs)["unlearn"] == 8


def test_a_tables_format_renders_only_tables(project):
    with open(project / "workflow_scripts/rendering/table.py", "a") as file:
        file.write("\nEDITED = True\n")
    assert planned(project) == TABLES


@pytest.mark.parametrize(
    ("picture", "job"),
    [("tables/table2", "render_table table2"), ("tables/tuning", "render_table tuning"),
     ("figures/figure3a", "plot_figure figure3a"), ("tables/table1", None)],
)  # fmt: skip
def test_editing_a_picture_renders_that_picture_alone(project, picture, job):
    with open(project / f"workflow_scripts/{picture}.py", "a") as file:
        file.write("\nEDITED = True\n")
    assert planned(project) == ({job} if job else set())


def test_one_cells_metrics_named_rebuilds_that_cell_and_the_tables(project):
    target = "results/micro/cells/micro-qwen/wmdp-cyber/ga/uoe/seed-0/metrics.json"
    (project / target).unlink()
    assert planned(project) == set()  # a deleted intermediate alone is not rebuilt: the README says to name it
    assert planned(project, target=target) == {
        "evaluate micro-qwen/wmdp-cyber/ga/uoe/0",
        "choose_checkpoint micro-qwen/wmdp-cyber/ga/uoe/0",
        "render_table table2",
    }


def test_the_papers_study_plans_its_grid_and_leaves_this_one_alone(project):
    result = snakemake(project, "-n", "--configfile", "config/paper.yaml")
    said = (result.stdout + result.stderr).splitlines()
    assert result.returncode == 0, result.stderr
    missing = [line for line in said if line.startswith("missing source: ")]
    assert len(missing) == len(set(missing)) == 5 + 5  # models, datasets
    (unlearned,) = set(re.findall(r"^unlearn +(\d+)$", "\n".join(said), re.MULTILINE))
    papers = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
    assert int(unlearned) == len(pictures.grid(papers))
    assert planned(project) == set()


def test_every_import_of_a_stage_is_a_declared_input():
    """What a stage really loads, traced in a fresh interpreter, is what `code_of` derives."""
    probe = (
        "import sys, pathlib; sys.argv = [{script!r}, '--help']; sys.path.insert(0, 'workflow_scripts')\n"
        "import runpy, contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    runpy.run_path({script!r}, run_name='__main__')\n"
        "root = pathlib.Path('workflow_scripts').resolve()\n"
        "files = {{getattr(m, '__file__', None) for m in list(sys.modules.values())}} - {{None}}\n"
        "paths = [pathlib.Path(f).resolve() for f in files]\n"
        "print(*sorted(str(path.relative_to(root)) for path in paths if path.is_relative_to(root)))"
    )
    for name in (
        "select_experts",
        "choose_checkpoint",
        "tune",
        "unlearn",
        "evaluate",
        "attribute_experts",
        "cache_prefix",
        "pretrain_micro",
    ):
        script = f"workflow_scripts/{name}.py"
        output = subprocess.run(
            [sys.executable, "-c", probe.format(script=script)], cwd=ROOT, capture_output=True, text=True
        )
        loaded = {f"workflow_scripts/{path}" for path in output.stdout.split() if not path.endswith("__init__.py")}
        assert output.returncode == 0, output.stderr
        assert loaded <= set(code_of(f"{name}.py")), name
