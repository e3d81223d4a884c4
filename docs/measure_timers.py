"""Measure the timers of Snakemake's scheduler, and write docs/results/scheduler_timers.md. Takes about three minutes.

Each run is a process of its own. Counted: passes of the scheduler that ask for a timer; timers that wait at once.
    python docs/measure_timers.py
"""

import atexit
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LONG = ("--max-jobs-per-timespan", "1000/1m")
RUNS = [  # command of a job, name, scheduler, options
    ("true", "default (100/1s)", "original", ()),
    ("true", f"`{' '.join(LONG)}`", "original", LONG),
    ("true", "`run_snakemake.py`", "one_timer", ()),
    ("sleep 0.1", "default (100/1s)", "original", ()),
    ("sleep 0.1", "`run_snakemake.py`", "one_timer", ()),
]
HEADER = ("200 jobs, two cores", "Jobs done after, s", "Process ended after, s", "Passes", "Timers waiting, at most")
SNAKEFILE = """
rule all:
    input: expand("out/{{i}}", i=range(200))
rule one:
    output: "out/{{i}}"
    shell: "{command} && touch {{output}}"
"""


def count(scheduler: str) -> None:
    """Run Snakemake in this process, with its own or with this project's scheduler; write counts.json at the end."""
    sys.path.insert(0, str(ROOT / "workflow_scripts"))
    from launch import run_snakemake

    original = run_snakemake.JobScheduler._schedule_reevalutation
    set_timer = run_snakemake.one_timer if scheduler == "one_timer" else original
    counts = {"passes": 0, "timers": 0}

    def counted(self, delay: float) -> None:
        set_timer(self, delay)
        waiting = sum(isinstance(thread, threading.Timer) for thread in threading.enumerate())
        counts.update(passes=counts["passes"] + 1, timers=max(counts["timers"], waiting))

    run_snakemake.JobScheduler._schedule_reevalutation = counted
    atexit.register(lambda: Path("counts.json").write_text(json.dumps(counts)))
    sys.exit(run_snakemake.main())


def measured(command: str, name: str, scheduler: str, options: tuple[str, ...]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "Snakefile").write_text(SNAKEFILE.format(command=command))
        start = time.time()
        options = ("--cores", "2", "--quiet", "all", *options)
        subprocess.run([sys.executable, __file__, scheduler, *options], cwd=folder, check=True)
        done = max(path.stat().st_mtime for path in (Path(folder) / "out").iterdir())
        counts = json.loads((Path(folder) / "counts.json").read_text())
        row = (f"`{command}`, {name}", f"{done - start:.1f}", f"{time.time() - start:.1f}", *map(str, counts.values()))
    return f"| {' | '.join(row)} |"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        count(sys.argv.pop(1))
    lines = [f"| {' | '.join(HEADER)} |", "| :-- | --: | --: | --: | --: |", *(measured(*run) for run in RUNS)]
    (ROOT / "docs/results/scheduler_timers.md").write_text("\n".join(lines) + "\n")
