"""A very small study of real micro cells in a copy of this project, and its jobs on the test cluster."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import yaml
from slurm_cluster import Cluster
from stub_project import PARTS, ROOT

STEPS, STATE_EVERY = 120, 10
# Variants of one scope, so that one tuned learning rate serves all; each fault strikes a cell of its own.
SCOPES = ("uoe", "uoe-fails", "uoe-limit", "uoe-cancelled", "uoe-node", "uoe-preempted")
PYTHON = [sys.executable, "-m", "snakemake"]


def config() -> dict:
    """The default config, cut down: one model that learns next to nothing, tiny data, one table of one cell."""
    full = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    model = full["models"]["micro-qwen"]
    full["pretraining"]["config"] |= {"hidden_size": 32, "num_hidden_layers": 3}
    sizes = ("cyber_entities", "general_entities", "target_persons", "neighbour_persons", "retain_entities")
    return full | {
        "study": "small",
        "data": full["data"] | {"settings": dict.fromkeys(sizes, 16) | {"passages": 2}},
        "pretraining": full["pretraining"] | {"steps": 4, "warmup": 1},
        "models": {"micro-qwen": model},
        "benchmarks": {"wmdp-cyber": full["benchmarks"]["wmdp-cyber"]},
        "methods": {"ga": {}},
        "scopes": {name: {"kind": "uoe", "alpha": 1.0, "tuned_as": "uoe"} for name in SCOPES},
        "training": full["training"]
        | {"batch_size": 2, "block_length": 64, "steps": STEPS, "checkpoint_growth": 2, "probe_every": STEPS // 3},
        "tuning": full["tuning"] | {"trials": 0, "settings": {}, "learning_rates": {"uoe": 1.0e-3}},
        "state_every": STATE_EVERY,
        "must_know": {},
        # What is asked of the cluster: a GPU for each cell; one minute, the least that Slurm knows, for one of them.
        "jobs": {
            "unlearn": {"gpu": 1, "mem_mb": 1000, "runtime": 5},
            "unlearn/uoe-limit": {"runtime": 1},
            "evaluate": {"gpu": 1, "mem_mb": 1000, "runtime": 5},
        },
        "tables": {"quick": full["tables"]["quick"] | {"methods": ["ga"], "scopes": ["uoe"]}},
        "figures": {},
    }


def cell(scope: str) -> str:
    return f"results/small/cells/micro-qwen/wmdp-cyber/ga/{scope}/seed-0"


def copy(folder: Path) -> None:
    """Copy the project to `folder`, with the small study for its config and the test cluster's names for its site."""
    for part in (*PARTS, "local"):
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config()))
    (folder / "site.yaml").write_text("partition: cpu\ngpu_partition: gpu\ngpu_model: h100\n")


def build(folder: Path) -> None:
    """Build, on this machine, what the cells start from, and nothing of a cell."""
    targets = ["all_tables"] + [f"{cell(scope)}/manifest.json" for scope in SCOPES]
    command = [*PYTHON, *targets, "--cores", "2", "--omit-from", "unlearn", "--quiet", "rules"]
    warm = [sys.executable, "workflow_scripts/launch/start.py", "--warm", *command]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # where `python` is the one that runs the tests
    environment = os.environ | {"PATH": path}
    result = subprocess.run(warm, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr


class Project:
    """The study in `folder`, built on `cluster`."""

    def __init__(self, folder: Path, cluster: Cluster):
        self.folder, self.cluster = folder, cluster
        path = f"{Path(sys.executable).parent}:{cluster.environment['PATH']}"
        self.environment = cluster.environment | {"PATH": path}
        self.started: list[subprocess.Popen] = []

    def start(self, *targets: str) -> subprocess.Popen:
        """`snakemake --profile slurm` for `targets`, looking at jobs more often than one would on a real cluster."""
        often = ("--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "10")
        kept = ("--slurm-keep-successful-logs",)
        command = [*PYTHON, *targets, "--profile", "slurm", "--configfile", "config/config.yaml", *often, *kept]
        with open(self.folder / f"snakemake-{len(self.started)}.log", "w") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        self.started.append(process)
        return process

    def end(self) -> None:
        """Leave no Snakemake behind."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()

    def refused(self, *arguments: str) -> str:
        """What Snakemake says when it does not start."""
        result = subprocess.run(
            [*PYTHON, *arguments], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120
        )
        assert result.returncode != 0
        return result.stdout + result.stderr

    def snakemake(self, *arguments: str) -> str:
        """Output of Snakemake here, without the cluster."""
        result = subprocess.run(
            [*PYTHON, *arguments], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout + result.stderr

    def log(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("snakemake-*.log")))

    def jobs(self, scope: str) -> list[dict[str, str]]:
        """The Slurm jobs that unlearned a cell, in order."""
        comment = f"rule_unlearn_wildcards_micro-qwen_wmdp-cyber_ga_{scope}_0"
        jobs = self.cluster.jobs()
        return [jobs[number] for number in sorted(jobs) if jobs[number]["Comment"] == comment]

    def job_logs(self, scope: str) -> str:
        folder = self.folder / f".snakemake/slurm_logs/rule_unlearn/micro-qwen_wmdp-cyber_ga_{scope}_0"
        return "".join(path.read_text() for path in sorted(folder.glob("*.log"), key=lambda path: int(path.stem)))

    def process(self, scope: str) -> int | None:
        """The process that unlearns a cell now."""
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_text().split("\0")
                ours = (path / "cwd").resolve() == self.folder.resolve()
                if ours and "workflow_scripts/unlearn.py" in words[1:3] and cell(scope) in words:
                    return int(path.name)
            except OSError:
                continue
        return None

    def hold(self, scope: str) -> int:
        """Stop a cell's process as soon as it has saved a state: it lives, and does nothing. Returns its number."""
        state = self.folder / f"results/small/state/{cell(scope).removeprefix('results/small/')}/state.pt"
        self.cluster.wait(state.exists, f"a state of {scope}", 300)
        pid = self.process(scope)
        assert pid, f"{scope}: over before it was caught"
        os.kill(pid, signal.SIGSTOP)
        return pid
