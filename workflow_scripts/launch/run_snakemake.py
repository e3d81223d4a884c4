"""Snakemake, with one change: its scheduler keeps one timer, not one for every job that ever ended.

Snakemake 9.27 limits how many jobs start in a timespan, and so looks again a timespan after each look; that look sets
a timer, too, and so does each that follows the end of a job. The timers add up: after 600 short jobs, looking 200 times
a second takes 40 % of a core. One timer is enough. The change is in memory; the same command with `snakemake`
itself builds the same.
    python workflow_scripts/launch/run_snakemake.py all_tables --cores 2
"""

import sys
import threading

from snakemake.cli import main
from snakemake.scheduling.job_scheduler import JobScheduler


def one_timer(self: JobScheduler, delay: float) -> None:
    """Wake the scheduler after `delay` seconds, unless it is going to be woken anyway. A daemon: it delays no exit."""

    def wake() -> None:
        self.timer = None
        self._open_jobs.release()

    if getattr(self, "timer", None) is None:
        self.timer = threading.Timer(delay, wake)
        self.timer.daemon = True
        self.timer.start()


if __name__ == "__main__":
    JobScheduler._schedule_reevalutation = one_timer
    sys.exit(main())
