"""What `make` runs: Snakemake with warm workers, one build at a time, which resumes after any interruption.

A lock file is held, and inherited by every job, so that it is free only once no job of an earlier build is left; only
then a stale Snakemake lock is cleared. All models are pre-trained and pass their knowledge checks before anything is
unlearned. On a terminal a bar for each running job stands below Snakemake's lines; the last lines name the results.
    python workflow_scripts/launch/build.py --cores 2 --seeds 0,1,2 all_tables all_figures
"""

import argparse
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import yaml

sys.path[0] = str(Path(__file__).resolve().parents[1])
from jobs.progress import SOCKET
from planning import blocks, layout


def snakemake_arguments(args: argparse.Namespace, seeds: list[int]) -> list[str]:
    """Targets stand first: several of Snakemake's options take all words that follow them."""
    # -P: our modules must not shadow what Snakemake imports
    command = [sys.executable, "-P", "workflow_scripts/launch/run_snakemake.py"]
    command += [*args.targets, "--cores", str(args.cores)]
    if args.config_file:
        command += ["--configfile", *args.config_file]
    command += ["--config", f"seeds={seeds}", *args.set]
    if args.report:
        return [*command, "--report", args.report]
    return [*command, "--rerun-incomplete", "--quiet", "rules"]


def unchecked_models(config: dict, seeds: list[int]) -> bool:
    """Whether a model of the study has not passed its knowledge check yet."""
    if not config.get("must_know"):
        return False
    checks = [
        Path("results", config["study"], layout.path(layout.KNOWLEDGE, model=model, seed=seed))
        for model in config["models"]
        if blocks.must_know(config, model)
        for seed in (*seeds, config["tuning"]["seed"])
    ]
    return not all(check.exists() for check in checks)


def with_bars(command: list[str]) -> int:
    """Run `command`; its lines pass through, and below them stands a bar for each job that reports its progress."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    tasks: dict[tuple, int] = {}
    with tempfile.TemporaryDirectory(prefix="moe-progress-") as folder, Progress(*columns, transient=True) as bars:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.bind(f"{folder}/socket")

        def listen() -> None:
            while report := listener.recv(65536):
                row = json.loads(report)
                key = row["job"], row["label"]
                if key not in tasks:
                    tasks[key] = bars.add_task(row["label"][-70:], total=row["total"], figures="")
                figures = " ".join(f"{name}={value}" for name, value in row["figures"].items())
                bars.update(tasks[key], completed=row["done"], figures=figures)
                if row["done"] == row["total"]:
                    bars.remove_task(tasks.pop(key))

        listening = threading.Thread(target=listen, daemon=True)
        listening.start()
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            close_fds=False,
            env=os.environ | {SOCKET: f"{folder}/socket"},
        )
        for line in process.stdout:
            bars.console.print(line.rstrip("\n"), markup=False, highlight=False, soft_wrap=True)
        status = process.wait()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(b"", f"{folder}/socket")  # ends the listener
        listening.join()
        return status


def run(command: list[str], warm: bool) -> int:
    if warm:
        command = [sys.executable, "workflow_scripts/launch/start.py", "--warm", *command]
    if sys.stdout.isatty() and warm:
        return with_bars(command)
    return subprocess.run(command, check=False, close_fds=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="+")
    parser.add_argument("--cores", type=int, required=True)
    parser.add_argument("--seeds", default="0", help="comma-separated")
    parser.add_argument(
        "--config-file",
        nargs="+",
        default=["config/config.yaml"],
        help="the study to build; later files add to the first",
    )
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="further config values")
    parser.add_argument("--report", metavar="FILE", help="write Snakemake's report of what is built")
    args = parser.parse_args()

    Path(".snakemake").mkdir(exist_ok=True)
    lock = os.open(".snakemake/build.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print(
            ".snakemake/build.lock is held: another build, or a job of a stopped one, still runs here",
            file=sys.stderr,
        )
        return 1
    os.set_inheritable(lock, True)
    signal.signal(signal.SIGINT, lambda number, frame: None)  # Ctrl-C is Snakemake's: it ends its jobs, then we end

    config = yaml.safe_load(Path(args.config_file[0]).read_text())
    seeds = [int(seed) for seed in args.seeds.split(",")]
    command = snakemake_arguments(args, seeds)
    if any(Path(".snakemake/locks").glob("*.lock")):
        subprocess.run([*command[: command.index("--config")], "--unlock"], check=False)
    status = 0
    if not args.report and unchecked_models(config, seeds):
        status = run([*command, "--until", "check_knows_world"], warm=True)
    if status == 0:
        status = run(command, warm=not args.report)
    if status == 0:
        folders = [Path("results", config["study"], kind) for kind in ("tables", "figures")]
        where = args.report or " and ".join(f"{folder}/" for folder in folders if folder.is_dir())
        print(f"Done. Look at {where}; results/README.md explains the layout.")
    else:
        print("Not everything was built: see the lines above. Run the same command again to resume.", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
