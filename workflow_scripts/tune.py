"""Choose the learning rate of a method and scope from its trials, on the development half.

Reads lr-<learning rate>/metrics.json of each trial and the untouched model's scores. Writes the tuning json: each
trial's best checkpoint by the rule of benchmarks/choice.py, and the learning rate whose best checkpoint is best. A grid
of one needs no trial: its rate is taken.
    python workflow_scripts/tune.py --trials TRIALS/lr-*/metrics.json --original original.json \\
        --settings '{"learning_rates": [0.0003, 0.001, 0.003]}' --output tuning.json
"""

from pathlib import Path

from benchmarks.choice import best_balance, checked, keep_and_left, unmeasurable
from jobs import provenance
from jobs.files import read_json, write_json
from jobs.stage import parser

HALF = "development"


def learning_rate(path: Path) -> float:
    """Read from the name of the trial's folder, lr-<learning rate>."""
    try:
        return float(path.parent.name.removeprefix("lr-"))
    except ValueError:
        raise SystemExit(f"{path}: its folder must be called lr-<learning rate>") from None


def read_trials(paths: list[Path], learning_rates: list[float]) -> dict[float, list[dict]]:
    """Checkpoints after step 0 by learning rate. One line unless each rate of the grid has one trial."""
    trials, grid = {}, [f"{rate:g}" for rate in learning_rates]
    for path in paths:
        rate, checkpoints = learning_rate(path), checked(read_json(path), path, HALF)
        if rate in trials:
            raise SystemExit(f"{path}: two trials have the learning rate {rate:g}")
        if f"{rate:g}" not in grid:
            raise SystemExit(f"{path}: learning rate {rate:g} is not in the grid (allowed: {', '.join(grid)})")
        trials[rate] = [entry for entry in checkpoints if entry["step"] > 0]
        if not trials[rate]:
            raise SystemExit(f"{path}: checkpoints: only step 0; there is nothing to choose")
    for rate in grid:
        if float(rate) not in trials:
            raise SystemExit(f"--trials: there is none for the learning rate {rate}")
    return trials


def best_trial_checkpoint(rate: float, checkpoints: list[dict], original: dict, measurable: bool) -> dict:
    """A trial's entry in the tuning json: its best checkpoint, or the last one where nothing is measurable."""
    best = best_balance(checkpoints, original, HALF) if measurable else checkpoints[-1]
    keep, left = keep_and_left(best, original, HALF) if measurable else (None, None)
    entry = {"learning_rate": rate, "step": best["step"], "keep": keep, "left": left, "collapsed": best["collapsed"]}
    return entry | {"fa": best["forget"][HALF]["value"], "ut": best["utility"][HALF]["value"]}


def tune(trials: dict[float, list[dict]], original: dict) -> dict:
    """The tuning json from each learning rate's checkpoints.

    Of the best checkpoints the one with the largest Keep - Left wins, collapsed ones only if all are, ties to the
    smaller rate. Where the untouched model is at chance nothing can be compared: the middle rate is taken.
    """
    reason = unmeasurable(original, HALF)
    tried = [
        best_trial_checkpoint(rate, checkpoints, original, reason is None)
        for rate, checkpoints in sorted(trials.items())
    ]
    if reason:
        middle = tried[len(tried) // 2]["learning_rate"]
        return {"learning_rate": middle, "tried": tried, "note": f"{reason}; the middle rate is taken"}
    whole = [trial for trial in tried if not trial["collapsed"]]
    best = min(whole or tried, key=lambda trial: (-round(trial["keep"] - trial["left"], 12), trial["learning_rate"]))
    note = f"largest Keep - Left of {len(tried)} learning rates on the development half"
    note += "" if whole else "; all have collapsed"
    return {"learning_rate": best["learning_rate"], "tried": tried, "note": note}


def main() -> None:
    arguments = parser(__doc__, "settings", "output")
    arguments.add_argument("--trials", type=Path, nargs="*", default=[], help="metrics.json of each")
    arguments.add_argument("--original", type=Path, nargs="?", help="the untouched model's metrics.json")
    args = arguments.parse_args()
    rates, read = args.settings["learning_rates"], []
    if len(rates) == 1:
        note = "the grid has a single learning rate; nothing was tried"
        result = {"learning_rate": float(rates[0]), "tried": [], "note": note}
    elif args.original is None:
        raise SystemExit("--original is missing: trials are compared with the untouched model")
    else:
        original = checked(read_json(args.original), args.original, HALF)[0]
        result, read = tune(read_trials(args.trials, rates), original), [args.original, *args.trials]
    write_json(args.output, result)
    provenance.record(args.output, vars(args), read, [args.output])


if __name__ == "__main__":
    main()
