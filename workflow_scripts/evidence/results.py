"""Read what the cells of a study found into one tidy frame, and summarise it over seeds.

FA = forget accuracy (lower is better), UT = utility; both are fractions between 0 and 1, as all their standard
errors.
"""

import math
from pathlib import Path
from typing import Any

import pandas

from jobs.files import read_json
from planning.needs import cells

CHOICES = ("balance", "at_forget_accuracy", "as_published")
KEYS = ["model", "benchmark", "method", "scope"]


def field(content: Any, path: Path, *keys: str) -> Any:
    """`content[keys[0]][keys[1]]...`; ends with one line naming file and key if one of them is missing."""
    for depth, key in enumerate(keys, start=1):
        if not isinstance(content, dict) or key not in content:
            raise SystemExit(f"{path}: key {'.'.join(keys[:depth])!r} is missing")
        content = content[key]
    return content


def cell_folder(root: Path, model: str, benchmark: str, method: str, scope: str, seed: int) -> Path:
    return root / "cells" / model / benchmark / method / scope / f"seed-{seed}"


def read_chosen(root: Path, settings: dict) -> pandas.DataFrame:
    """One row per cell and seed of the block: the checkpoint that the block's `choice` names and its scores.

    Columns: model, benchmark, method, scope, seed, step, status, note, collapsed, fa, fa_se, fa_n, fa_chance, ut,
    ut_se, ut_n and the untouched model's fa0, fa0_se, ut0, ut0_se on the same questions; the same of the model that was
    retrained without the forget set, far … utr_se, collapsedr, and the distances to it: `distance` of the cell,
    `distance0` of the untouched model (NaN where the benchmark has no retrained models). Raises SystemExit with one
    line if a file or key is missing, or if two cells of one model disagree about the untouched model.
    """
    choice = settings["block"].get("choice", "balance")
    if choice not in CHOICES:
        raise SystemExit(f"config, choice: {choice!r} is none of {', '.join(CHOICES)}")
    rows = []
    for cell in cells(settings["block"], settings["models"]):
        for seed in settings["seeds"]:
            path = cell_folder(root, *cell, seed) / "chosen.json"
            chosen = field(read_json(path), path, choice)
            row = dict(zip(KEYS, cell, strict=True), seed=seed, path=str(path))
            row |= {key: field(chosen, path, key) for key in ("step", "status", "note", "collapsed")}
            for short, name in (
                ("fa", "forget"),
                ("ut", "utility"),
                ("fa0", "original_forget"),
                ("ut0", "original_utility"),
            ):
                score = field(chosen, path, name)
                error = field(score, path, "stderr")  # null where it can't be known, as for one question
                row |= {short: field(score, path, "value"), f"{short}_se": math.nan if error is None else error}
                row |= {f"{short}_n": field(score, path, "n"), f"{short}_chance": score.get("chance", 0.0)}
            rows.append(row | _retrained(root, settings, row))
    frame = pandas.DataFrame(rows)
    _check_same_original(frame)
    return frame.drop(columns="path")


def _retrained(root: Path, settings: dict, row: dict) -> dict:
    """Scores of the model that was retrained without the forget set, on the questions that `row` is about; distances.

    A distance is that of two points (FA, UT): sqrt((FA - FA_r)^2 + (UT - UT_r)^2).
    """
    missing = dict.fromkeys(("far", "far_se", "utr", "utr_se", "distance", "distance0"), math.nan)
    missing["collapsedr"] = False
    if row["benchmark"] not in settings.get("retrained", ()):
        return missing
    path = root / "retrained" / row["model"] / row["benchmark"] / f"seed-{row['seed']}" / "scores.json"
    half = "all" if settings["block"].get("choice") == "as_published" else "test"
    checkpoint = field(read_json(path), path, "checkpoints")[0]
    found = {"collapsedr": field(checkpoint, path, "collapsed")}
    for short, name in (("far", "forget"), ("utr", "utility")):
        score = field(checkpoint, path, name, half)
        error = field(score, path, "stderr")
        found |= {short: field(score, path, "value"), f"{short}_se": math.nan if error is None else error}
    for name, fa, ut in (("distance", "fa", "ut"), ("distance0", "fa0", "ut0")):
        found[name] = math.hypot(row[fa] - found["far"], row[ut] - found["utr"])
    return found


def _check_same_original(frame: pandas.DataFrame) -> None:
    for _, same_model in frame.groupby(["model", "benchmark", "seed"], sort=False):
        first = same_model.iloc[0]
        for row in same_model.itertuples():
            if (row.fa0, row.ut0) != (first.fa0, first.ut0):
                raise SystemExit(
                    f"{row.path}: the untouched model's scores ({row.fa0}, {row.ut0}) differ from those in "
                    f"{first.path} ({first.fa0}, {first.ut0}); one of the two files is out of date"
                )


def mean_and_error(values: list[float], errors: list[float]) -> tuple[float, float]:
    """Mean and its standard error: over seeds (sample standard deviation / sqrt(seeds)), or with one seed the
    sampling error given.
    """
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return values[0], errors[0]
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, math.sqrt(variance / len(values))


def dagger(collapsed: int, runs: int) -> str:
    """Mark of a value that comes from `runs` runs, so many of which have collapsed: nothing, † or †1/3."""
    return "" if not collapsed else "†" if runs == 1 else f"†{collapsed}/{runs}"


def summarise(frame: pandas.DataFrame) -> pandas.DataFrame:
    """One row per (model, benchmark, method, scope) of `read_chosen`: scores over seeds, counts of collapsed seeds,
    steps, statuses.
    """
    rows = []
    for key, group in frame.groupby(KEYS, sort=False):
        row = dict(zip(KEYS, key, strict=True), seeds=len(group), collapsed=int(group["collapsed"].sum()))
        for short in ("fa", "ut", "fa0", "ut0"):
            row[short], row[f"{short}_se"] = mean_and_error(list(group[short]), list(group[f"{short}_se"]))
            row[f"{short}_n"] = tuple(sorted(set(group[f"{short}_n"])))
            row[f"{short}_seeds"] = tuple(group[short])
        for short in ("far", "utr"):
            row[short], row[f"{short}_se"] = mean_and_error(list(group[short]), list(group[f"{short}_se"]))
        for short in ("distance", "distance0"):
            row[short], row[f"{short}_se"] = mean_and_error(list(group[short]), [math.nan])
        row |= {"fa_chance": group["fa_chance"].iloc[0], "steps": tuple(group["step"])}
        row |= {"statuses": tuple(group["status"]), "notes": tuple(group["note"])}
        row["collapsed_runs"] = tuple(group["collapsed"])
        row["collapsedr"] = int(group["collapsedr"].sum())
        rows.append(row)
    return pandas.DataFrame(rows)


def pool_draws(summary: pandas.DataFrame) -> pandas.DataFrame:
    """Replace the scopes random, random-draw-2, ... of each model, benchmark and method by one row `random`: the mean
    over the draws.

    Its error columns hold the standard deviation over the draws (not an error of the mean: the draws are what
    varies), `draws` their number and fa_draws, ut_draws the single values.
    """
    is_draw = summary["scope"].map(is_random)
    others = summary[~is_draw].assign(draws=1)
    pooled = []
    for _, group in summary[is_draw].groupby(KEYS[:3], sort=False):
        row = group.iloc[0].to_dict() | {
            "scope": "random",
            "draws": len(group),
            "collapsed": int(group["collapsed"].sum()),
        }
        row["seeds"] = int(group["seeds"].iloc[0])
        for short in ("fa", "ut", "distance"):
            values = list(group[short])
            row[short] = math.fsum(values) / len(values)
            if len(values) > 1:
                row[f"{short}_se"] = math.sqrt(math.fsum((v - row[short]) ** 2 for v in values) / (len(values) - 1))
            row[f"{short}_draws"] = tuple(values)
        for several in ("steps", "statuses", "notes", "collapsed_runs"):
            row[several] = tuple(entry for entries in group[several] for entry in entries)
        pooled.append(row)
    return pandas.concat([others, pandas.DataFrame(pooled)], ignore_index=True)


def is_random(scope: str) -> bool:
    return scope == "random" or scope.startswith("random-draw-")


def read_selection(root: Path, model: str, benchmark: str, scope: str, seed: int) -> dict[int, list[int]]:
    """Layer index -> experts that this scope trains."""
    path = root / "selections" / model / benchmark / scope / f"seed-{seed}.json"
    return {int(layer): experts for layer, experts in field(read_json(path), path, "experts").items()}


def read_affinity(root: Path, model: str, benchmark: str, seed: int) -> dict:
    """affinity.json with integer layer indices: top_k, experts and layers[index] -> gate_score, token_share
    ([experts] each).
    """
    path = root / "attribution" / model / benchmark / f"seed-{seed}" / "affinity.json"
    content = read_json(path)
    for key in ("top_k", "experts", "layers"):
        field(content, path, key)
    for layer in content["layers"]:
        field(content, path, "layers", layer, "gate_score")
        field(content, path, "layers", layer, "token_share")
    return content | {"layers": {int(layer): values for layer, values in content["layers"].items()}}


def read_parameters(root: Path, settings: dict) -> pandas.DataFrame:
    """One row per cell and seed: trained and total parameters, and trained in percent of total."""
    rows = []
    for cell in cells(settings["block"], settings["models"]):
        for seed in settings["seeds"]:
            path = cell_folder(root, *cell, seed) / "parameters.json"
            content = read_json(path)
            counts = {key: field(content, path, key) for key in ("trained", "total", "percent")}
            rows.append(dict(zip(KEYS, cell, strict=True), seed=seed, **counts))
    return pandas.DataFrame(rows)


def read_trajectory(root: Path, model: str, benchmark: str, method: str, scope: str, seed: int) -> dict:
    """trajectory.json of one cell: steps, probes, and for an MoE model moe_layers, top_k, experts."""
    path = cell_folder(root, model, benchmark, method, scope, seed) / "trajectory.json"
    content = read_json(path)
    for key in ("steps", "probes"):
        if not field(content, path, key):
            raise SystemExit(f"{path}: {key} is empty")
    return content


def read_tuning(root: Path, combinations: list[list[str]]) -> pandas.DataFrame:
    """Every row of every tuning file: model, method, scope, learning_rate, step, fa, ut, keep, left, collapsed,
    chosen.
    """
    rows = []
    for model, method, scope in combinations:
        path = root / "tuning" / model / method / f"{scope}.json"
        content = read_json(path)
        best = field(content, path, "learning_rate")
        for tried in field(content, path, "tried"):
            row = {"model": model, "method": method, "scope": scope}
            row |= {key: field(tried, path, key) for key in ("learning_rate", "step", "keep", "left", "collapsed")}
            row |= {key: math.nan for key in ("keep", "left") if row[key] is None}  # nothing measurable
            row |= {"fa": _number(field(tried, path, "forget")), "ut": _number(field(tried, path, "utility"))}
            rows.append(row | {"chosen": row["learning_rate"] == best})
    return pandas.DataFrame(rows)


def _number(score: Any) -> float:
    """A score may be a bare number or the evaluation's {"value": ...}."""
    return score["value"] if isinstance(score, dict) else score
