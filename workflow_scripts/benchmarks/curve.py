"""A run as a curve: how much utility it keeps while knowledge leaves. Standard library only.

With FA*, UT* the scores at chance and FA0, UT0 those of the untouched model,
    Keep = clip((UT - UT*) / (UT0 - UT*), 0, 1)     share of the utility that is kept
    Left = clip((FA - FA*) / (FA0 - FA*), 0, 1)     share of the knowledge that is left
A run starts at (Left, Keep) = (1, 1). Its curve goes through the checkpoints at which Left is lower than at all before
(its running minimum), straight in between. Kept utility, the endpoint, is Keep averaged over Left from .9 to .1: no
checkpoint is chosen for it. Between two checkpoints over which Left falls by more than COARSE the curve is not known:
that span is not counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

FROM, TO = 0.9, 0.1  # Left, over which Keep is averaged
COARSE = 0.25  # a larger fall of Left between two checkpoints is not counted
MEASURABLE = 3.0  # standard errors by which the untouched model must exceed chance


@dataclass(frozen=True)
class Curve:
    """Checkpoints of a run in step order, step 0 (Left = Keep = 1) first."""

    steps: tuple[int, ...]
    left: tuple[float, ...]
    keep: tuple[float, ...]

    def falls(self) -> list[tuple[int, int]]:
        """Pairs of checkpoints (numbers), each the next lower one of the running minimum of Left."""
        pairs, lowest = [], 0
        for number in range(1, len(self.left)):
            if self.left[number] < self.left[lowest]:
                pairs.append((lowest, number))
                lowest = number
        return pairs

    def lowest(self) -> float:
        """How far the run got: the least Left of any checkpoint."""
        return min(self.left)

    def largest_fall(self) -> float:
        """The largest fall of Left between two checkpoints, as far as it lies between FROM and TO."""
        overlaps = (min(self.left[a], FROM) - max(self.left[b], TO) for a, b in self.falls())
        falls = (self.left[a] - self.left[b] for a, b in self.falls())
        return max((fall for fall, inside in zip(falls, overlaps, strict=True) if inside > 0), default=0.0)


@dataclass(frozen=True)
class Kept:
    """Kept utility: value, None where nothing is counted; counted: length of the span of Left that it is averaged over
    (.8 if the run got to .1 and no fall was too large)."""

    value: float | None
    counted: float


def unmeasurable(original: dict, half: str) -> str | None:
    """Why nothing can be measured on `half`: the untouched model is within 3 standard errors of chance; None if not."""
    reasons = []
    for name, verb in (("forget", "forget"), ("utility", "lose")):
        score = original[name][half]
        above = score["value"] - score["chance"]
        if score["stderr"] is None or above <= 0 or above < MEASURABLE * score["stderr"]:
            reasons.append(
                f"nothing measurable to {verb}: the untouched model scores "
                f"{score['value']:.3f}, chance is {score['chance']:.3f}"
            )
    return "; ".join(reasons) or None


def share(entry: dict, original: dict, test: str, half: str, score: str = "value") -> float:
    """Keep (test "utility") or Left ("forget") of a checkpoint, in [0, 1]. score: key of what is compared."""
    now, before = entry[test][half][score], original[test][half]
    return min(1.0, max(0.0, (now - before["chance"]) / (before[score] - before["chance"])))


def curve(checkpoints: Sequence[dict], original: dict, half: str = "all", score: str = "value") -> Curve:
    """The curve of a run from its entries in metrics.json; the untouched model must be above chance on `half`."""
    run = sorted((entry for entry in checkpoints if entry["step"] > 0), key=lambda entry: entry["step"])
    left, keep = ([share(entry, original, test, half, score) for entry in run] for test in ("forget", "utility"))
    return Curve((0, *(entry["step"] for entry in run)), (1.0, *left), (1.0, *keep))


@dataclass(frozen=True)
class Span:
    """A straight piece of a curve: Left from `top` down to `bottom`, Keep from `first` to `last`."""

    top: float
    bottom: float
    first: float
    last: float

    def cut(self, top: float, bottom: float) -> "Span":
        """The part of it that lies between two values of Left within it."""
        slope = (self.last - self.first) / (self.top - self.bottom)
        return Span(top, bottom, *(self.first + slope * (self.top - left) for left in (top, bottom)))


def counted(run: Curve, coarse: float = COARSE) -> list[Span]:
    """What is counted of a curve between FROM and TO, from above to below."""
    spans = []
    for a, b in run.falls():
        span = Span(run.left[a], run.left[b], run.keep[a], run.keep[b])
        top, bottom = min(span.top, FROM), max(span.bottom, TO)
        if span.top - span.bottom <= coarse + 1e-9 and top > bottom:
            spans.append(span.cut(top, bottom))
    return spans


def mean_keep(spans: list[Span]) -> Kept:
    length = sum(span.top - span.bottom for span in spans)
    area = sum((span.top - span.bottom) * (span.first + span.last) / 2 for span in spans)
    return Kept(area / length if length > 0 else None, length)


def kept_utility(run: Curve, coarse: float = COARSE) -> Kept:
    """Keep averaged over what is counted of Left from .9 to .1."""
    return mean_keep(counted(run, coarse))


def compared(first: Curve, second: Curve) -> tuple[Kept, Kept]:
    """Kept utility of two runs, each over the span of Left that is counted of both."""
    pairs = [(a, b, min(a.top, b.top), max(a.bottom, b.bottom)) for a in counted(first) for b in counted(second)]
    shared = [(a.cut(top, bottom), b.cut(top, bottom)) for a, b, top, bottom in pairs if top > bottom]
    return mean_keep([a for a, _ in shared]), mean_keep([b for _, b in shared])


def crossing(run: Curve, left: float) -> tuple[int, int, float] | None:
    """Checkpoints (numbers) between which Left first falls to `left`, and how far along; None if the run does not get
    there or falls too far on its way."""
    for a, b in run.falls():
        if run.left[b] <= left:
            fall = run.left[a] - run.left[b]
            return (a, b, (run.left[a] - left) / fall) if fall <= COARSE + 1e-9 else None
    return None


def keep_at(run: Curve, left: float) -> float | None:
    """Keep where Left first falls to `left`; None as in `crossing`."""
    return _between(run.keep, crossing(run, left))


def step_at(run: Curve, left: float) -> float | None:
    """The step, in between two checkpoints, at which Left first falls to `left`; None as in `crossing`."""
    return _between(run.steps, crossing(run, left))


def _between(values: Sequence[float], at: tuple[int, int, float] | None) -> float | None:
    return None if at is None else values[at[0]] + at[2] * (values[at[1]] - values[at[0]])
