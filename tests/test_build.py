"""build.py, as make calls it: real Snakemake processes, costly stages replaced by stand-ins (stub_stage.py)."""

import contextlib
import os
import pty
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import stub_project
import yaml

from launch.run_snakemake import one_timer

SCRIPTS = Path(__file__).parent.parent / "workflow_scripts"
BUILD = [sys.executable, "workflow_scripts/launch/build.py", "--cores", "2", "all_tables", "all_figures"]
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # snakemake stands beside python


@pytest.fixture
def project(built, tmp_path) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(built, folder, symlinks=True)
    return folder


def make(folder: Path, **environment: str) -> subprocess.CompletedProcess:
    variables = os.environ | {"PATH": PATH} | environment
    return subprocess.run(BUILD, cwd=folder, env=variables, capture_output=True, text=True, timeout=300)


def test_a_model_that_does_not_know_its_world_stops_everything_before_unlearning(project):
    shutil.rmtree(project / "results")
    shutil.rmtree(project / ".snakemake")
    result = make(project, STUB_FAILS="check_knows_world")
    assert result.returncode != 0 and "check_knows_world: told to fail" in result.stdout + result.stderr
    assert (project / "results/micro/models").is_dir()
    assert not list(project.glob("results/micro/*/**/manifest.json")), "something was unlearned"


def test_the_scheduler_looks_again_once_however_many_jobs_have_ended():
    """Of Snakemake itself there would be one timer more for each; fails where a new version names things otherwise."""
    from snakemake.scheduling.job_scheduler import JobScheduler

    assert callable(JobScheduler._schedule_reevalutation), "Snakemake has changed: is run_snakemake.py still needed?"
    scheduler, before = SimpleNamespace(_open_jobs=threading.Semaphore(0)), threading.active_count()
    for _ in range(20):
        one_timer(scheduler, 0.2)
    assert threading.active_count() == before + 1 and scheduler._open_jobs.acquire(timeout=5)
    assert not scheduler._open_jobs.acquire(timeout=0.5), "woken twice"
    one_timer(scheduler, 0.0)
    assert scheduler._open_jobs.acquire(timeout=5)


def test_killed_build_goes_on_once_its_jobs_have_ended(project):
    config = yaml.safe_load((project / "config/config.yaml").read_text())
    config["evaluation"]["batch_size"] += 1  # everything is to be evaluated again
    stub_project.write_config(project, config)
    variables = os.environ | {"PATH": PATH, "STUB_SLOW": "evaluate"}
    streams = dict.fromkeys(("stdout", "stderr"), subprocess.DEVNULL)
    first = subprocess.Popen(BUILD, cwd=project, env=variables, start_new_session=True, **streams)
    end = time.monotonic() + 120
    while not (started := list(project.glob("slow-*"))) and time.monotonic() < end:
        time.sleep(0.02)
    job = int(started[0].name.removeprefix("slow-"))
    for pid in processes_of(first.pid):  # build.py, Snakemake and what it started, but not the stage itself
        if pid != job:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    first.wait()
    assert list((project / ".snakemake/locks").glob("*.lock")), "Snakemake left no lock: nothing is tested"
    refused = make(project)
    assert refused.returncode == 1
    assert refused.stderr.strip().splitlines() == [
        ".snakemake/build.lock is held: another build, or a job of a stopped one, still runs here"
    ]
    while Path(f"/proc/{job}").exists():
        time.sleep(0.05)
    again = make(project)
    assert again.returncode == 0, again.stdout + again.stderr
    assert not list((project / ".snakemake/incomplete").glob("*"))
    assert "Nothing to be done" in (last := make(project)).stdout + last.stderr


def processes_of(leader: int) -> list[int]:
    """Processes of the session that `leader` began."""
    pids = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid, rest = int(stat.parent.name), stat.read_text().rpartition(")")[2].split()
            if int(rest[3]) == leader:
                pids.append(pid)
    return pids


def test_bars_on_a_terminal_and_one_plain_line_in_the_log(tmp_path):
    step = "from jobs.progress import progress; import time\nbar = progress(range(4), 'walking')\n"
    step += "for i in bar:\n time.sleep(.3); bar.set(loss=0.5)"
    code = f"from launch import build; import sys; sys.exit(build.with_bars([sys.executable, '-c', {step!r}]))"
    parent, terminal = pty.openpty()
    given = {"cwd": SCRIPTS, "env": os.environ | {"TERM": "xterm", "COLUMNS": "120"}}
    with subprocess.Popen([sys.executable, "-c", code], stdout=terminal, stderr=terminal, **given) as process:
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # the terminal's other end closes with the process
            while part := os.read(parent, 65536):
                shown += part
    text = shown.decode()
    assert process.returncode == 0
    assert "2/4" in text and "loss=0.5" in text, text
    assert text.count("walking: 4/4 steps") == 1, text


def test_a_job_that_nobody_watches_is_not_stopped(tmp_path):
    code = "from jobs.progress import progress\nfor i in progress(range(3), 'walking'): pass"
    given = {"cwd": SCRIPTS, "env": os.environ | {"MOE_PROGRESS_SOCKET": str(tmp_path / "nobody")}}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, **given)
    assert result.returncode == 0 and result.stderr.startswith("walking: 3/3 steps")
