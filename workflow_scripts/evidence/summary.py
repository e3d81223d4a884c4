"""Scores of a study's cells as one tidy frame, and their means over seeds.

Columns of a quantity (fa, ut): `fa` the chosen checkpoint's, `fa_original` the untouched model's on the same questions,
`fa_retrained` that of the model retrained without the forget set; with `_se` the standard error, with `_n` the number
of questions, with `_chance` the value at chance, with `_seeds` each seed's value, with `_draws` each random draw's."""

import math
import statistics

import pandas

from evidence.study import CELL, TESTS, Study, field
from planning import layout

CHOICES = ("balance", "at_forget_accuracy", "as_published")
KEYS = list(CELL)


def _values(name: str, score: dict, path: object) -> dict:
    error = field(score, path, "stderr")  # null where it can't be known, as for one question
    return {name: field(score, path, "value"), f"{name}_se": math.nan if error is None else error}


def chosen_frame(study: Study) -> pandas.DataFrame:
    """One row per cell and seed: the checkpoint that the block's `choice` names and its scores.

    `distance` is that of the points (FA, UT) of the cell and of the retrained model, `distance_original` that of the
    untouched model to it (NaN where the benchmark has no retrained models). Ends with one line if two cells of one
    model disagree about the untouched model."""
    if study.choice not in CHOICES:
        raise SystemExit(f"config, choice: {study.choice!r} is none of {', '.join(CHOICES)}")
    rows = []
    for cell in study.cells():
        for seed in study.seeds:
            path = study.path(layout.CHOSEN, cell, seed)
            chosen = study.chosen(cell, seed)
            row = dict(zip(KEYS, cell, strict=True), seed=seed, path=str(path))
            row |= {key: field(chosen, path, key) for key in ("step", "status", "note", "collapsed")}
            for name in ("fa", "ut", "fa_original", "ut_original"):
                score = field(chosen, path, name)
                row |= _values(name, score, path)
                row |= {f"{name}_n": field(score, path, "n"), f"{name}_chance": score.get("chance", 0.0)}
            rows.append(row | _retrained(study, row))
    frame = pandas.DataFrame(rows)
    _check_same_original(frame)
    return frame.drop(columns="path")


def _retrained(study: Study, row: dict) -> dict:
    """Scores of the model that was retrained without the forget set, on the questions of `row`; distances."""
    names = ("fa_retrained", "fa_retrained_se", "ut_retrained", "ut_retrained_se", "distance", "distance_original")
    if row["benchmark"] not in study.settings.get("retrained", ()):
        return dict.fromkeys(names, math.nan) | {"collapsed_retrained": False}
    place = row["model"], row["benchmark"]
    path = study.path(layout.RETRAINED, place, row["seed"])
    checkpoint = study.retrained(*place, row["seed"])
    values = {"collapsed_retrained": field(checkpoint, path, "collapsed")}
    for name, test in TESTS.items():
        values |= _values(f"{name}_retrained", field(checkpoint, path, test, "all"), path)
    for name, suffix in (("distance", ""), ("distance_original", "_original")):
        gaps = (row[f"{quantity}{suffix}"] - values[f"{quantity}_retrained"] for quantity in TESTS)
        values[name] = math.hypot(*gaps)
    return values


def _check_same_original(frame: pandas.DataFrame) -> None:
    for _, same_model in frame.groupby(["model", "benchmark", "seed"], sort=False):
        first = same_model.iloc[0]
        for row in same_model.itertuples():
            if (row.fa_original, row.ut_original) != (first.fa_original, first.ut_original):
                raise SystemExit(
                    f"{row.path}: the untouched model's scores ({row.fa_original}, {row.ut_original}) differ from "
                    f"those in {first.path} ({first.fa_original}, {first.ut_original}); one of the files is out of date"
                )


def mean_and_error(values: list[float], errors: list[float] | None = None) -> tuple[float, float]:
    """Mean and its standard error: over seeds (sample standard deviation / sqrt(seeds)), or with one seed the sampling
    error given, NaN if none is."""
    mean = statistics.fmean(values)
    if len(values) == 1:
        return values[0], errors[0] if errors else math.nan
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, math.sqrt(variance / len(values))


def dagger(collapsed: int, runs: int) -> str:
    """Mark of a value that comes from `runs` runs, so many of which have collapsed: nothing, † or †1/3."""
    return "" if not collapsed else "†" if runs == 1 else f"†{collapsed}/{runs}"


def summarise(frame: pandas.DataFrame) -> pandas.DataFrame:
    """One row per (model, benchmark, method, scope) of `chosen_frame`: scores over seeds, counts of collapsed seeds,
    steps, statuses."""
    rows = []
    for key, group in frame.groupby(KEYS, sort=False):
        row = dict(zip(KEYS, key, strict=True), seeds=len(group), collapsed=int(group["collapsed"].sum()))
        for name in ("fa", "ut", "fa_original", "ut_original"):
            row[f"{name}_n"] = tuple(sorted(set(group[f"{name}_n"])))
            row[f"{name}_seeds"] = tuple(group[name])
        for name in (f"{quantity}{suffix}" for quantity in TESTS for suffix in ("", "_original", "_retrained")):
            row[name], row[f"{name}_se"] = mean_and_error(list(group[name]), list(group[f"{name}_se"]))
        for name in ("distance", "distance_original"):
            row[name], row[f"{name}_se"] = mean_and_error(list(group[name]))
            row[f"{name}_seeds"] = tuple(group[name])
        row |= {"fa_chance": group["fa_chance"].iloc[0], "steps": tuple(group["step"])}
        row |= {"statuses": tuple(group["status"]), "notes": tuple(group["note"])}
        row["collapsed_runs"] = tuple(group["collapsed"])
        row["collapsed_retrained"] = int(group["collapsed_retrained"].sum())
        rows.append(row)
    return pandas.DataFrame(rows)


def pool_draws(summary: pandas.DataFrame) -> pandas.DataFrame:
    """Replace the scopes random, random-draw-2, ... of each model, benchmark and method by one row `random`: the mean
    over the draws, taken within each seed first. With one seed its error columns hold the standard deviation over the
    draws; `draws` is their number, fa_draws and ut_draws hold each draw's mean over seeds."""
    is_draw = summary["scope"].map(is_random)
    if not is_draw.any():
        return summary
    others = summary[~is_draw].assign(draws=1)
    pooled = []
    for _, group in summary[is_draw].groupby(KEYS[:3], sort=False):
        row = group.iloc[0].to_dict() | {"scope": "random", "draws": len(group)}
        row |= {"collapsed": int(group["collapsed"].sum()), "seeds": int(group["seeds"].iloc[0])}
        for name in ("fa", "ut", "distance"):
            by_seed = [statistics.fmean(values) for values in zip(*group[f"{name}_seeds"], strict=True)]
            row[f"{name}_draws"] = draws = tuple(group[name])
            spread = [statistics.stdev(draws) if len(draws) > 1 else row.get(f"{name}_se", math.nan)]
            row[name], row[f"{name}_se"] = mean_and_error(by_seed, spread)
            row[f"{name}_seeds"] = tuple(by_seed)
        for several in ("steps", "statuses", "notes", "collapsed_runs"):
            row[several] = tuple(entry for entries in group[several] for entry in entries)
        pooled.append(row)
    return pandas.concat([others, pandas.DataFrame(pooled)], ignore_index=True)


def is_random(scope: str) -> bool:
    """Whether a scope is one of the random draws that tables pool."""
    return scope == "random" or scope.startswith("random-draw-")
