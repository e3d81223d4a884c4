"""Choose the learning rate of a method and scope from its trials, on the development half.

Reads lr-<learning rate>/metrics.json of each trial and the untouched model's scores; writes tuning.json: each trial's
best checkpoint by the rule of benchmarks/choice.py, and the learning rate whose best checkpoint is best.
    python workflow_scripts/tune.py --trials TRIALS/lr-*/metrics.json --original original.json --output tuning.json
"""

import argparse
from pathlib import Path

from benchmarks.choice import best_balance, checked, keep_and_left, unmeasurable
from jobs import provenance
from jobs.files import read_json, write_json

HALF = "development"


def learning_rate(path: Path) -> float:
    """Read from the name of the trial's folder, lr-<learning rate>."""
    try:
        return float(path.parent.name.removeprefix("lr-"))
    except ValueError:
        raise SystemExit(f"{path}: its folder must be called lr-<learning rate>") from None


def tune(trials: dict[float, list[dict]], original: dict) -> dict:
    """tuning.json from each learning rate's checkpoints.

    Of the best checkpoints the one with the largest Keep - Left wins, collapsed ones only if all are, ties to the
    smaller rate. Where the untouched model is at chance nothing can be compared: the middle rate is taken.
    """
    reason = unmeasurable(original, HALF)
    tried = []
    for rate, checkpoints in sorted(trials.items()):
        best = checkpoints[-1] if reason else best_balance(checkpoints, original, HALF)
        keep, left = (None, None) if reason else keep_and_left(best, original, HALF)
        scores = {name: best[name][HALF]["value"] for name in ("forget", "utility")}
        tried.append(
            {
                "learning_rate": rate,
                "step": best["step"],
                "keep": keep,
                "left": left,
                "collapsed": best["collapsed"],
                **scores,
            }
        )
    if reason:
        return {
            "learning_rate": tried[len(tried) // 2]["learning_rate"],
            "tried": tried,
            "note": f"{reason}; the middle rate is taken",
        }
    whole = [trial for trial in tried if not trial["collapsed"]]
    best = min(whole or tried, key=lambda trial: (-round(trial["keep"] - trial["left"], 12), trial["learning_rate"]))
    note = f"largest Keep - Left of {len(tried)} learning rates on the development half" + (
        "" if whole else "; all have collapsed"
    )
    return {"learning_rate": best["learning_rate"], "tried": tried, "note": note}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--trials", type=Path, nargs="+")
    given.add_argument("--only", type=float, help="the one rate of a grid of one: nothing is tried")
    parser.add_argument("--original", type=Path, help="metrics.json of the untouched model; goes with --trials")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    if args.only is not None:
        note = "the grid has a single learning rate; nothing was tried"
        write_json(args.output, {"learning_rate": args.only, "tried": [], "note": note})
        provenance.record(args.output, vars(args), [], [args.output])
        return
    if args.original is None:
        raise SystemExit("--trials needs --original")
    trials = {}
    for path in args.trials:
        checkpoints = [entry for entry in checked(read_json(path), path, HALF) if entry["step"] > 0]
        if not checkpoints:
            raise SystemExit(f"{path}: checkpoints: only step 0; there is nothing to choose")
        if learning_rate(path) in trials:
            raise SystemExit(f"{path}: two trials have the learning rate {learning_rate(path):g}")
        trials[learning_rate(path)] = checkpoints
    write_json(args.output, tune(trials, checked(read_json(args.original), args.original, HALF)[0]))
    provenance.record(args.output, vars(args), [args.original, *args.trials], [args.output])


if __name__ == "__main__":
    main()
