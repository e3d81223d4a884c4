"""Progress of long steps: a bar where someone watches, plain lines elsewhere (log files, batch systems)."""

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence

SOCKET = "MOE_PROGRESS_SOCKET"  # names the datagram socket on which build.py listens, when it has a terminal to draw on


class progress:
    """Iterate over `items`, showing done/total, rate, time left and the figures given to `set`.

    Below build.py on a terminal each step is reported to it, and it draws one bar for every running job. Run by hand on
    a terminal, tqdm draws the bar. Otherwise about ten plain lines are printed for the whole loop and at most one every
    5 seconds, so that a log stays readable; its last line always stands in the log.
    """

    def __init__(self, items: Sequence, label: str, unit: str = "step", quiet: bool = False):
        """quiet: another process reports the same loop."""
        self.items, self.label, self.unit, self.quiet = items, label, unit, quiet
        self.figures: dict[str, str] = {}
        self.bar = None

    def set(self, **figures: float | str) -> None:
        """Figures to show beside the progress, for example `set(loss=1.2, tokens_per_second=7100)`."""
        self.figures = {
            name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in figures.items()
        }
        if self.bar is not None:
            self.bar.set_postfix(self.figures, refresh=False)

    def __iter__(self) -> Iterator:
        if self.quiet:
            yield from self.items
            return
        watched = SOCKET in os.environ
        if sys.stderr.isatty() and not watched:
            from tqdm import tqdm

            with tqdm(self.items, desc=self.label, unit=self.unit, dynamic_ncols=True) as self.bar:
                yield from self.bar
            return
        total, start = len(self.items), time.monotonic()
        lined, told = start, 0.0
        for done, item in enumerate(self.items, start=1):
            yield item
            now = time.monotonic()
            if watched and (now - told > 0.2 or done == total):
                told = now
                self.tell(done, total)
            elif not watched and done < total and done % max(1, total // 10) == 0 and now - lined > 5:
                lined = now
                self.line(done, total, now - start)
            if done == total:
                self.line(done, total, now - start)

    def line(self, done: int, total: int, seconds: float) -> None:
        left = f"{seconds / done * (total - done):.0f} s left" if done < total else f"{seconds:.1f} s"
        figures = " ".join(f"{name}={value}" for name, value in self.figures.items())
        units = f"{self.unit}es" if self.unit.endswith("ch") else f"{self.unit}s"
        print(f"{self.label}: {done}/{total} {units}, {left} {figures}".rstrip(), file=sys.stderr, flush=True)

    def tell(self, done: int, total: int) -> None:
        """Report to build.py; nobody listening, or a full socket, must never stop a job."""
        report = {"job": os.getpid(), "label": self.label, "unit": self.unit, "done": done, "total": total}
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.sendto(json.dumps(report | {"figures": self.figures}).encode(), os.environ[SOCKET])
