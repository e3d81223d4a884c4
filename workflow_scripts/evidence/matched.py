"""Checkpoints of two cells that have forgotten equally much, so that their utilities can be compared."""

from evidence.study import Study, field
from planning import layout

TOLERANCE = 0.05  # largest difference of FA


def matched_steps(study: Study, first: tuple, second: tuple, seed: int) -> tuple[int, int] | None:
    """A step of each cell, None if no two sound checkpoints have the same FA within TOLERANCE. Of all such pairs the
    one that has forgotten most is taken (the lowest larger FA), then the smallest difference, then the earliest steps.
    """
    pairs = [
        (max(a, b), abs(a - b), i, j)
        for i, a in _sound(study, first, seed).items()
        for j, b in _sound(study, second, seed).items()
        if abs(a - b) <= TOLERANCE + 1e-9
    ]
    return min(pairs)[2:] if pairs else None


def _sound(study: Study, cell: tuple, seed: int) -> dict[int, float]:
    """Step -> FA of the checkpoints that have not collapsed."""
    path = study.path(layout.METRICS, cell, seed)
    return {
        entry["step"]: field(entry, path, "forget", "all", "value")
        for entry in study.metrics(cell, seed)
        if entry["step"] > 0 and not entry["collapsed"]
    }
