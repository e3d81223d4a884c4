"""Progress of long loops: a bar on a terminal, plain lines in log files."""

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence

SOCKET = "MOE_PROGRESS_SOCKET"  # datagram socket on which launch/build.py listens if it has a terminal


class progress:
    """Iterate over `items`, showing done/total, rate, time left and the values given to `set`.

    Under launch/build.py on a terminal every step is reported to it, and it draws one bar per running job. Otherwise
    tqdm draws the bar on a terminal, and elsewhere plain lines are printed: about ten per loop, at most one every
    5 seconds, and always the last.
    """

    def __init__(self, items: Sequence, label: str, unit: str = "step", quiet: bool = False):
        """quiet: show nothing, because another process reports the same loop."""
        self.items, self.label, self.unit, self.quiet = items, label, unit, quiet
        self.figures: dict[str, str] = {}
        self.bar = None

    def set(self, **values: float | str) -> None:
        """Values to show beside the progress, for example `set(loss=1.2, tokens_per_second=7100)`."""
        self.figures = {
            name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in values.items()
        }
        if self.bar is not None:
            self.bar.set_postfix(self.figures, refresh=False)

    def __iter__(self) -> Iterator:
        if self.quiet:
            yield from self.items
            return
        reporting = SOCKET in os.environ
        if sys.stderr.isatty() and not reporting:
            from tqdm import tqdm

            with tqdm(self.items, desc=self.label, unit=self.unit, dynamic_ncols=True) as self.bar:
                yield from self.bar
            return
        total, start = len(self.items), time.monotonic()
        printed, reported = start, 0.0
        for done, item in enumerate(self.items, start=1):
            yield item
            now = time.monotonic()
            if reporting and (now - reported > 0.2 or done == total):
                reported = now
                self.report(done, total)
            elif not reporting and done < total and done % max(1, total // 10) == 0 and now - printed > 5:
                printed = now
                self.print_line(done, total, now - start)
            if done == total:
                self.print_line(done, total, now - start)

    def print_line(self, done: int, total: int, seconds: float) -> None:
        left = f"{seconds / done * (total - done):.0f} s left" if done < total else f"{seconds:.1f} s"
        figures = " ".join(f"{name}={value}" for name, value in self.figures.items())
        units = f"{self.unit}es" if self.unit.endswith("ch") else f"{self.unit}s"
        print(f"{self.label}: {done}/{total} {units}, {left} {figures}".rstrip(), file=sys.stderr, flush=True)

    def report(self, done: int, total: int) -> None:
        """Send a report to launch/build.py. A missing listener or a full socket must never stop a job."""
        message = {"job": os.getpid(), "label": self.label, "unit": self.unit, "done": done, "total": total}
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.sendto(json.dumps(message | {"figures": self.figures}).encode(), os.environ[SOCKET])
