"""Progress of long steps: a bar on a terminal, plain lines elsewhere (log files, batch systems)."""

import sys
import time
from collections.abc import Iterator, Sequence


class progress:
    """Iterate over `items`, showing done/total, rate, time left and the figures given to `set`.

    On a terminal tqdm draws a bar; otherwise about ten plain lines are printed for the whole loop and at most one
    every 5 seconds, so that a log stays readable.
    """

    def __init__(self, items: Sequence, label: str, unit: str = "step"):
        self.items, self.label, self.unit = items, label, unit
        self.figures: dict[str, float | str] = {}
        self.bar = None

    def set(self, **figures: float | str) -> None:
        """Figures to show beside the progress, for example `set(loss=1.2, tokens_per_second=7100)`."""
        self.figures = {
            name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in figures.items()
        }
        if self.bar is not None:
            self.bar.set_postfix(self.figures, refresh=False)

    def __iter__(self) -> Iterator:
        if sys.stderr.isatty():
            from tqdm import tqdm

            with tqdm(self.items, desc=self.label, unit=self.unit, dynamic_ncols=True) as self.bar:
                yield from self.bar
            return
        total, start, shown_at = len(self.items), time.monotonic(), time.monotonic()
        for done, item in enumerate(self.items, start=1):
            yield item
            now = time.monotonic()
            if done == total or (done % max(1, total // 10) == 0 and now - shown_at > 5):
                shown_at, left = now, (now - start) / done * (total - done)
                figures = " ".join(f"{name}={value}" for name, value in self.figures.items())
                print(
                    f"{self.label}: {done}/{total} {self.unit}s, {left:.0f} s left {figures}".rstrip(),
                    file=sys.stderr,
                    flush=True,
                )
