"""The environments: one version of each package everywhere; locks install by hash and hold what their jobs import."""

import ast
import hashlib
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from rule_stages import rules
from stub_project import ROOT

from planning.code import SCRIPTS, code_of, modules

ENVS = ROOT / "envs"
KINDS = ("workflow", "gpu", "evaluation", "rendering")
UV = Path(sys.executable).with_name("uv")


def pins(kind: str) -> dict[str, str]:
    """Name and whole entry (version, marker, hashes) of each package of a lock."""
    text = (ENVS / f"{kind}.lock").read_text()
    entries = re.split(r"\n(?=\S)", text.split("\n", 1)[1].strip())
    return {entry.split("==")[0]: entry for entry in entries}


def scripts_of() -> dict[str, set[str]]:
    """Scripts that the rules of each environment run."""
    scripts: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for name, rule in rules().items():
        if rule["stage"]:
            assert rule["conda"], f"rule {name} has no conda environment"
            scripts[rule["conda"]].add(f"{rule['stage']}.py")
    scripts["gpu"] |= {f"micro/{generator}.py" for generator in ("facts", "own_text")}
    scripts["workflow"] = {"launch/build.py", *(f"planning/{name}.py" for name in modules("planning"))}
    return scripts


def test_every_job_has_the_lock_of_its_environment_among_its_inputs():
    """Asked of Snakemake itself. What is fetched no package changes; what is printed is no result."""
    everything = ["all_tables", "all_figures", "all_extras", "all_claims"]
    studies = ("config/config.yaml", "config/extras.yaml")
    command = [sys.executable, "-m", "snakemake", "-n", "--forceall", *everything, "--configfile", *studies]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    inputs: dict[str, str] = {}
    for name, paths in re.findall(r"rule (\w+):\n    input: (.*)", done.stdout + done.stderr):
        inputs.setdefault(name, paths)
    planned = {name for name, rule in rules().items() if rule["stage"]} & inputs.keys()
    assert {"build_world", "unlearn", "evaluate", "tune", "render_table", "check_claims"} <= planned
    for name in planned:
        kind = rules()[name]["conda"]
        locks = {path for path in inputs[name].split(", ") if path.startswith("envs/")}
        assert locks == {f"envs/{kind}.lock"} | ({"envs/cuda.lock"} if kind != "rendering" else set()), name


def imports(scripts: set[str]) -> list[str]:
    """Every module from outside that the scripts and the project's modules below them import anywhere."""
    names = set()
    for path in {path for script in scripts for path in code_of(script) if path.endswith(".py")}:
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module)
    own = {path.stem for path in SCRIPTS.iterdir()}
    return sorted(name for name in names if name.split(".")[0] not in own | sys.stdlib_module_names)


def test_every_environment_has_the_same_pins():
    """…with the same hashes, all of which are those that `make` installs; CUDA's libraries stand apart."""
    whole = pins("requirements")
    for kind in KINDS:
        assert pins(kind).items() <= whole.items(), kind
    assert not pins("cuda").keys() & whole.keys()
    assert pins("gpu").keys() < pins("evaluation").keys()
    assert pins("cpu").keys() == {"torch"}
    assert pins("cpu")["torch"].split()[0] == pins("cuda")["torch"].split()[0] + "+cpu"
    assert all("--hash=sha256:" in entry for kind in ("requirements", "cuda") for entry in pins(kind).values())


def test_locks_follow_what_is_asked_for():
    """Names in the *.in files are pinned in the lock beside them, within their bounds."""
    from packaging.requirements import Requirement

    for kind in (*KINDS, "requirements"):
        known = pins(kind) | {"torch": pins("cuda")["torch"]}
        for line in (ENVS / f"{kind}.in").read_text().splitlines():
            if line and not line.startswith(("#", "-r")):
                asked = Requirement(line)
                version = re.match(r"\S+==(\S+)", known[asked.name]).group(1)
                assert asked.specifier.contains(version), f"{kind}.in: {line}"


def test_new_environments_get_exactly_the_lock():
    """The script that Snakemake runs in a new environment refuses another lock than the one it was written for, and
    is part of the environment's hash: another lock is another environment."""
    for kind in ("gpu", "evaluation", "rendering"):
        script = (ENVS / f"{kind}.post-deploy.sh").read_text()
        assert f"{hashlib.sha256((ENVS / f'{kind}.lock').read_bytes()).hexdigest()}  envs/{kind}.lock" in script
        assert ("-r envs/cuda.lock" in script) == (kind != "rendering")
    asked = yaml.safe_load((ENVS / "workflow.yaml").read_text())["dependencies"][-1]["pip"]
    assert asked == ["--require-hashes", "-r workflow.lock"]


def places() -> dict[str, str]:
    """Where pip looks for packages, said to uv."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    said = dict(re.findall(r"^\S+\.([a-z-]+)='(.*)'$", listed.stdout, flags=re.MULTILINE))
    names = {"find-links": "UV_FIND_LINKS", "extra-index-url": "UV_EXTRA_INDEX_URL", "index-url": "UV_DEFAULT_INDEX"}
    # uv asks for commas between places; pip for spaces
    found = {
        names[key]: value.replace(" ", "," if key == "find-links" else " ")
        for key, value in said.items()
        if key in names
    }
    return found | ({"SSL_CERT_FILE": said["cert"]} if "cert" in said else {})


@pytest.mark.parametrize("kind", KINDS)
def test_each_lock_installs_by_hash_and_has_what_its_jobs_import(kind, tmp_path):
    environment = os.environ | places() | {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_LINK_MODE": "hardlink"}

    def uv(*arguments: str) -> None:
        done = subprocess.run([UV, *arguments, "--quiet"], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    uv("venv", "--python", sys.executable, str(tmp_path / "env"))
    python = tmp_path / "env/bin/python"
    lock = ENVS / f"{kind}.lock"
    locks = [lock]
    if kind in ("gpu", "evaluation"):  # the build that the tests run with
        locks.append(ENVS / ("cpu.lock" if version("torch").endswith("+cpu") else "cuda.lock"))
    given = [word for path in locks for word in ("-r", str(path))]
    uv("pip", "install", "--python", str(python), "--no-deps", "--require-hashes", *given)
    wanted = imports(scripts_of()[kind])
    if kind == "workflow":
        wanted += ["snakemake.cli", "snakemake_executor_plugin_slurm"]
    else:  # the schema is checked where Snakemake runs
        wanted = [name for name in wanted if name != "jsonschema"]
    if kind == "rendering":
        wanted += ["tabulate"]  # pandas asks for it when it writes Markdown
    assert wanted
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = subprocess.run([python, "-I", "-c", code, *wanted], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-1500:]


def test_another_file_under_a_pinned_name_is_refused(tmp_path):
    """The hashes are what is checked: one digit off and nothing is installed."""
    entry = pins("workflow")["pyyaml"]
    wrong = re.sub(r"sha256:(.)", lambda found: "sha256:" + ("0" if found.group(1) != "0" else "1"), entry)
    (tmp_path / "wrong.lock").write_text(wrong + "\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--dest", str(tmp_path)]
    done = subprocess.run([*command, "-r", str(tmp_path / "wrong.lock")], capture_output=True, text=True)
    assert done.returncode != 0 and "HASH" in done.stderr.upper()
    assert not list(tmp_path.glob("*.whl"))
