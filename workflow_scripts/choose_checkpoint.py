"""Choose the checkpoints that the tables show, and read the curve of the run, from all of the cell's scores.

Reads metrics.json of the cell and of the untouched model. Writes chosen.json:
  balance             the largest Keep - Left, chosen on one half and reported on the other, and the reverse
  as_published        the same on all questions, chosen on what it reports
  at_forget_accuracy  utility where FA falls to the `threshold`, read off the curve ("FA ~ 0.25" tables)
  curve               Left and Keep of every checkpoint; kept utility, by accuracy and by the right option's probability
Checkpoints that were not scored are removed; with `prune_over`, of cells that train over so many percent of the
parameters all but those that are shown.
    python workflow_scripts/choose_checkpoint.py --metrics CELL/metrics.json --original original/wmdp-cyber.json \\
        --settings '{"threshold": 0.27}' --output CELL/chosen.json
"""

from pathlib import Path

from benchmarks.choice import OVERSHOT, best_balance, checked, keep_and_left, mean_of_halves, other
from benchmarks.curve import COARSE, Curve, curve, kept_utility, unmeasurable
from benchmarks.halves import HALVES
from jobs import provenance
from jobs.files import read_json, write_json
from jobs.stage import parser
from planning import cell_files

SCORES = (("fa", "forget"), ("ut", "utility"))


def balance(checkpoints: list[dict], original: dict) -> dict:
    """Best balance on each half, reported on the other; the last checkpoint where nothing is measurable."""
    reason = unmeasurable(original, "all")
    if reason:
        last = dict.fromkeys(HALVES, checkpoints[-1])
        return result(last, original, "nothing measurable", f"{reason}; the last step is reported")
    reported = {half: best_balance(checkpoints, original, other(half)) for half in HALVES}
    note = f"largest Keep - Left of {len(checkpoints)} checkpoints, each half's chosen on the other"
    return result(reported, original, "chosen", note) | shares(reported, original)


def as_published(checkpoints: list[dict], original: dict) -> dict:
    """Best balance on all questions, reported on all of them."""
    reason = unmeasurable(original, "all")
    best = checkpoints[-1] if reason else best_balance(checkpoints, original, "all")
    reported = dict.fromkeys(HALVES, best)
    if reason:
        return result(reported, original, "nothing measurable", f"{reason}; the last step is reported")
    note = f"largest Keep - Left of {len(checkpoints)} checkpoints on the reported questions"
    return result(reported, original, "chosen", note) | shares(reported, original)


def shares(reported: dict[str, dict], original: dict) -> dict:
    """Keep and Left of what is reported, mean of the halves."""
    pairs = [keep_and_left(entry, original, half) for half, entry in reported.items()]
    return {
        name: sum(values) / len(values) for name, values in zip(("keep", "left"), zip(*pairs, strict=True), strict=True)
    }


def result(reported: dict[str, dict], original: dict, status: str, note: str) -> dict:
    """A choice as chosen.json holds it. reported: half -> the checkpoint that is reported on it. `step` is the one that
    is exported and attacked; it was chosen on the other half."""
    reasons = dict.fromkeys(reason for entry in reported.values() for reason in entry["collapse_reasons"])
    collapsed = any(entry["collapsed"] for entry in reported.values())
    halves = {
        half: {"step": entry["step"]}
        | {name: entry[test][half] for name, test in SCORES}
        | {f"{name}_original": original[test][half] for name, test in SCORES}
        for half, entry in reported.items()
    }
    scores = [name for name in halves["test"] if name != "step"]
    means = {name: mean_of_halves([half[name] for half in halves.values()]) for name in scores}
    extra = {
        name: mean_of_halves([entry["extra"][name][half] for half, entry in reported.items()])
        for name, parts in reported["test"]["extra"].items()
        if parts.keys() >= reported.keys()
    }
    return {
        "step": reported["test"]["step"],
        "steps": {half: entry["step"] for half, entry in reported.items()},
        "status": status,
        "note": note + (f"; collapsed ({'; '.join(reasons)})" if collapsed else ""),
        "collapsed": collapsed,
        "keep": None,
        "left": None,
        "extra": extra,
        "forget_answers": reported["test"]["forget_answers"],
        "halves": halves,
    } | means


def at_forget_accuracy(checkpoints: list[dict], original: dict, threshold: float) -> dict:
    """FA and UT where FA first falls to `threshold`, straight between the two checkpoints around it; where the run
    falls too far between them, at the lower one; where it does not get there, at the lowest FA."""
    every = [original, *checkpoints]
    fa = [entry["forget"]["all"]["value"] for entry in every]
    low = next((number for number, value in enumerate(fa) if value <= threshold), None)
    if low is None or low == 0:
        best = min(checkpoints, key=lambda entry: entry["forget"]["all"]["value"])
        note = f"no forget score is at most {threshold:g}; the lowest is reported"
        return at(best, best, 0.0, original) | {"status": "not reached", "note": note}
    high = min(range(low), key=lambda number: fa[number])
    fallen = (fa[high] - fa[low]) / (fa[0] - original["forget"]["all"]["chance"])
    if fallen > COARSE:
        note = f"FA falls from {fa[high]:.3f} to {fa[low]:.3f} between two checkpoints; the lower one is reported"
        status = "overshot" if fa[low] < OVERSHOT else "reached"
        return at(every[low], every[low], 0.0, original) | {"status": status, "note": note}
    note = f"read off where FA falls to {threshold:g}, between steps {every[high]['step']} and {every[low]['step']}"
    part = (fa[high] - threshold) / (fa[high] - fa[low])
    return at(every[high], every[low], part, original) | {"status": "reached", "note": note}


def at(high: dict, low: dict, part: float, original: dict) -> dict:
    """Scores `part` of the way from one checkpoint to another. The same questions are asked at both, so the errors are
    no smaller than their mean."""

    def between(test: str) -> dict:
        first, last = high[test]["all"], low[test]["all"]
        keys = ("value", "stderr") if None not in (first["stderr"], last["stderr"]) else ("value",)
        return last | {key: first[key] + part * (last[key] - first[key]) for key in keys}

    scores = {name: between(test) for name, test in SCORES}
    scores |= {f"{name}_original": original[test]["all"] for name, test in SCORES}
    return {"step": low["step"], "collapsed": low["collapsed"], "extra": {}} | scores


def curve_record(checkpoints: list[dict], original: dict) -> dict | None:
    """Left and Keep of every checkpoint and the endpoint; None where nothing is measurable."""
    if unmeasurable(original, "all"):
        return None
    run = curve(checkpoints, original)
    record = {"steps": run.steps, "left": run.left, "keep": run.keep} | endpoint(run)
    if all(original[test]["all"].get("probability") is not None for _, test in SCORES):
        run = curve(checkpoints, original, score="probability")
        record["by_probability"] = {"left": run.left, "keep": run.keep} | endpoint(run)
    return record


def endpoint(run: Curve) -> dict:
    kept = kept_utility(run)
    ends = {"lowest": run.lowest(), "largest_fall": run.largest_fall()}
    return {"kept_utility": kept.value, "counted": kept.counted} | ends


def prune(folder: Path, steps: set[int]) -> None:
    """Remove the checkpoints of all steps but these; scores stay in metrics.json."""
    kept = {cell_files.checkpoint(step) for step in steps}
    for path in folder.glob("step-*.safetensors"):
        if path.name not in kept:
            path.unlink()


def main() -> None:
    arguments = parser(__doc__, "settings", "output")
    arguments.add_argument("--metrics", type=Path, required=True)
    arguments.add_argument("--original", type=Path, required=True, help="metrics.json of the untouched model")
    args = arguments.parse_args()
    checkpoints = [entry for entry in checked(read_json(args.metrics), args.metrics) if entry["step"] > 0]
    original = checked(read_json(args.original), args.original)[0]
    if not checkpoints:
        raise SystemExit(f"{args.metrics}: checkpoints: only step 0; there is nothing to choose")
    choices = {
        "balance": balance(checkpoints, original),
        "as_published": as_published(checkpoints, original),
        "at_forget_accuracy": at_forget_accuracy(checkpoints, original, args.settings["threshold"]),
    }
    write_json(args.output, choices | {"curve": curve_record(checkpoints, original)})
    provenance.record(args.output, vars(args), [args.metrics, args.original], [args.output])
    folder, limit = args.metrics.parent, args.settings.get("prune_over")
    kept = {entry["step"] for entry in checkpoints}
    if limit is not None and read_json(folder / cell_files.PARAMETERS)["percent"] > limit:
        kept = {step for choice in ("balance", "as_published") for step in choices[choice]["steps"].values()}
    prune(folder / cell_files.CHECKPOINTS, kept)


if __name__ == "__main__":
    main()
