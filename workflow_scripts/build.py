"""What `make` types for you: Snakemake with warm workers, one build at a time, going on after any kind of stop.

A lock file is held, and inherited by every job, so that it is free only once no job of an earlier build is left; only
then a stale Snakemake lock is cleared. The last lines say where the results are.
    python workflow_scripts/build.py --cores 2 --seeds 0,1,2 all_tables all_figures
"""

import argparse
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import yaml


def snakemake_arguments(args: argparse.Namespace) -> list[str]:
    """Targets stand first: several of Snakemake's options take all words that follow them."""
    seeds = [int(seed) for seed in args.seeds.split(",")]
    command = ["snakemake", *args.targets, "--cores", str(args.cores)]
    if args.config_file:
        command += ["--configfile", args.config_file]
    command += ["--config", f"seeds={seeds}", *args.set]
    if args.report:
        return [*command, "--report", args.report]
    return [*command, "--rerun-incomplete", "--quiet", "rules"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="+")
    parser.add_argument("--cores", type=int, required=True)
    parser.add_argument("--seeds", default="0", help="comma-separated")
    parser.add_argument("--config-file", help="study to build instead of config/config.yaml")
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
    command = snakemake_arguments(args)
    if any(Path(".snakemake/locks").glob("*.lock")):
        subprocess.run(["snakemake", *args.targets, *command[command.index("--cores") :][:2], "--unlock"], check=False)
    warm = [] if args.report else [sys.executable, "workflow_scripts/start.py", "--warm"]
    status = subprocess.run([*warm, *command], check=False, close_fds=False).returncode
    if status == 0:
        study = yaml.safe_load(Path(args.config_file or "config/config.yaml").read_text())["study"]
        where = (
            args.report or f"results/{study}/tables/*.{{md,html,csv,tex}} and results/{study}/figures/*.{{png,pdf,svg}}"
        )
        print(f"Done. Look at {where}; results/README.md explains the layout.")
    else:
        print("Not everything was built: see the lines above; type the same command again to go on.", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
