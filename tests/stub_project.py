"""A copy of this project whose costly stages are stand-ins: the real Snakefile, rules, config and scripts on disk."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
PARTS = ("Snakefile", "rules", "config", "workflow_scripts", "profiles", "slurm", "envs")
# The real warm server without the libraries that take long to import; every stage is the stand-in.
START = """
import sys
import real_start
real_start.LIBRARIES = ()
if sys.argv[1] != "--warm":
    sys.argv.insert(1, "workflow_scripts/stub_stage.py")
sys.exit(real_start.main())
"""


def snakemake(folder: Path, *arguments: str, target: str | None = None) -> subprocess.CompletedProcess:
    """Run Snakemake for all tables and figures, and `target` where given (targets stand before options)."""
    targets = ["all_tables", "all_figures", *([target] if target else [])]
    command = [sys.executable, "-m", "snakemake", *targets, "--cores", "2", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def write_config(folder: Path, config: dict) -> None:
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config))


def copy(folder: Path) -> None:
    """Copy the project to `folder`, its costly stages and its downloads replaced by stand-ins (stub_stage.py)."""
    for part in PARTS:
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
    stage = shutil.copy(ROOT / "tests/stub_stage.py", folder / "workflow_scripts/stub_stage.py")
    (folder / "workflow_scripts/launch/start.py").rename(folder / "workflow_scripts/launch/real_start.py")
    (folder / "workflow_scripts/launch/start.py").write_text(START)
    for name in ("download_dataset", "download_model"):  # started without start.py: the same stand-in
        path = folder / f"workflow_scripts/{name}.py"
        nodes = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
        imports = "\n".join(map(ast.unparse, nodes))
        path.write_text(f"{imports}\nimport runpy, sys\nsys.argv.insert(0, 'start')\nrunpy.run_path({str(stage)!r})\n")


def build(folder: Path) -> None:
    """Copy the project to `folder` and build a small study there by stand-ins."""
    copy(folder)
    config = yaml.safe_load((folder / "config/config.yaml").read_text())

    def grid() -> dict:  # lists of its own each time: a shared one would be written as a YAML alias
        return {"models": ["micro-qwen", "micro-mixtral"], "benchmarks": ["wmdp-cyber"]}

    config["tables"] = {"table2": grid() | {"methods": ["ga", "rmu"], "scopes": ["baseline", "uoe"]}, "tuning": {}}
    config["figures"] = {"figure3a": grid() | {"methods": ["ga"], "scopes": ["baseline"]}}
    write_config(folder, config)
    result = snakemake(folder, "--quiet", "all")
    assert result.returncode == 0, result.stdout + result.stderr
