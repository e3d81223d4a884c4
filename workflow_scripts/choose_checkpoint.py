"""Choose a cell's checkpoint by fixed rules: on the development half of each test, reported on the other half.

Reads metrics.json of the cell and of the untouched model. Writes chosen.json with one choice for each rule: `balance`
(benchmarks/choice.py), `at_forget_accuracy` (the first checkpoint with a forget accuracy of at most `threshold`) and,
where every checkpoint was tested, `as_published` (the best balance on the very questions reported). With `prune_over`,
of a cell that trains more than so many percent of the parameters, checkpoints/ beside --metrics loses what no rule
chose.
    python workflow_scripts/choose_checkpoint.py --metrics metrics.json --original original.json \\
        --settings '{"threshold": 0.27}' --output chosen.json
"""

from pathlib import Path

from benchmarks.choice import OVERSHOT, best_balance, checked, first_at, keep_and_left, unmeasurable
from jobs import provenance
from jobs.files import read_json, write_json
from jobs.stage import parser
from planning import cell_files


def balance(checkpoints: list[dict], original: dict, half: str, reported: str) -> dict:
    """Best balance on `half`, reported on `reported`; the last checkpoint where nothing is measurable on `half`."""
    candidates = [entry for entry in checkpoints if entry["step"] > 0]
    reason = unmeasurable(original, half)
    if reason:
        return result(
            candidates[-1], original, "nothing measurable", f"{reason}; the last step is reported", half, reported
        )
    best = best_balance(checkpoints, original, half)
    if best["collapsed"]:
        note = f"all {len(candidates)} checkpoints have collapsed; the one with the best balance is reported"
        return result(best, original, "all collapsed", note, half, reported)
    where = "the reported questions" if half == reported else f"the {half} half"
    note = f"largest Keep - Left of {len(candidates)} checkpoints on {where}"
    return result(best, original, "chosen", note, half, reported)


def at_forget_accuracy(checkpoints: list[dict], original: dict, threshold: float) -> dict:
    """First checkpoint with a forget score of at most `threshold` on the development half, else the last one."""
    candidates = [entry for entry in checkpoints if entry["step"] > 0]
    reached = first_at(checkpoints, threshold)
    if reached is None:
        note = f"no forget score is at most {threshold:g} on the development half; the last step is reported"
        return result(candidates[-1], original, "not reached", note, "development", "test")
    value = reached["forget"]["development"]["value"]
    note = f"first checkpoint with a forget score of at most {threshold:g} on the development half: {value:.3f} there"
    status = "overshot" if value < OVERSHOT else "reached"
    if status == "overshot":
        note += f", under {OVERSHOT:g}"
    return result(reached, original, status, note, "development", "test")


def result(entry: dict, original: dict, status: str, note: str, half: str, reported: str) -> dict:
    """A choice as chosen.json holds it. keep and left are those on `half`, where the choice was made."""
    if entry["collapsed"]:
        note += f"; collapsed ({'; '.join(entry['collapse_reasons'])})"
    for name in ("forget", "utility"):
        if reported not in entry[name] or reported not in original[name]:
            raise SystemExit(f"step {entry['step']}: {name} was not scored on {reported!r}")
    keep, left = (None, None) if unmeasurable(original, half) else keep_and_left(entry, original, half)
    return {
        "step": entry["step"],
        "status": status,
        "note": note,
        "collapsed": entry["collapsed"],
        "keep": keep,
        "left": left,
        "fa": entry["forget"][reported],
        "ut": entry["utility"][reported],
        "fa_original": original["forget"][reported],
        "ut_original": original["utility"][reported],
        "extra": {name: parts[reported] for name, parts in entry["extra"].items() if reported in parts},
    }


def every_choice(checkpoints: list[dict], untouched: dict, threshold: float) -> dict[str, dict]:
    choices = {
        "balance": balance(checkpoints, untouched, "development", "test"),
        "at_forget_accuracy": at_forget_accuracy(checkpoints, untouched, threshold),
    }
    if all("all" in entry[name] for entry in checkpoints for name in ("forget", "utility")):
        choices["as_published"] = balance(checkpoints, untouched, "all", "all")
    return choices


def prune(folder: Path, steps: set[int]) -> None:
    """Remove the checkpoints of all steps but these; their scores stay in metrics.json."""
    kept = {cell_files.checkpoint(step) for step in steps}
    for path in folder.glob("step-*.safetensors"):
        if path.name not in kept:
            path.unlink()


def main() -> None:
    arguments = parser(__doc__, "settings", "output")
    arguments.add_argument("--metrics", type=Path, required=True)
    arguments.add_argument("--original", type=Path, required=True, help="metrics.json of the untouched model")
    args = arguments.parse_args()
    metrics, original = read_json(args.metrics), read_json(args.original)
    checkpoints = checked(metrics, args.metrics, "development")
    untouched = checked(original, args.original, "development")[0]
    if not any(entry["step"] > 0 for entry in checkpoints):
        raise SystemExit(f"{args.metrics}: checkpoints: only step 0; there is nothing to choose")
    try:
        choices = every_choice(checkpoints, untouched, args.settings["threshold"])
    except SystemExit as stop:
        raise SystemExit(f"{args.metrics}: {stop}") from None
    write_json(args.output, choices)
    provenance.record(args.output, vars(args), [args.metrics, args.original], [args.output])
    folder, limit = args.metrics.parent, args.settings.get("prune_over")
    if limit is not None and read_json(folder / cell_files.PARAMETERS)["percent"] > limit:
        prune(folder / cell_files.CHECKPOINTS, {choice["step"] for choice in choices.values()})


if __name__ == "__main__":
    main()
