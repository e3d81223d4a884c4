"""Tune a method and scope on one model and benchmark: learning rate, and what else the method lives from.

Reads what unlearning and evaluation read, on the tuning seed, which no table reports. Runs `trials` trials in this one
job (unlearning/search.py says which), each scored as it goes and ended once it is lost (unlearning/trial.py). Writes
the tuning json: the settings of the best trial, and all that was tried. A single trial needs no run: its settings are
taken. Interrupt it at any time; run it again to resume after the last trial.
    python workflow_scripts/tune.py --model MODEL --data DATA --selection selection.json --seed 1000 \\
        --original original/wmdp-cyber.json --output tuning.json --settings '{"benchmark": {...},
        "method": {"name": "ga"}, "scope": {"kind": "baseline"}, "training": {...},
        "start": {"learning_rate": 3e-4}, "trials": 5, "batch_size": 64, "precision": "float32"}'
"""

import argparse
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from benchmarks.checkpoints import load
from benchmarks.choice import checked
from benchmarks.curve import unmeasurable
from benchmarks.evaluating import DECIDING, evaluate, read_tests, responders
from benchmarks.texts import forget_texts, retain_texts
from jobs import provenance, stage
from jobs.files import read_json, sha256, write_json
from jobs.group import Group
from jobs.state import State, stamp_of
from moe import libraries
from moe.delta import base_hash
from moe.upper_layers import Reuse
from unlearning.run import Run
from unlearning.search import edges, search
from unlearning.settings import with_tuned
from unlearning.texts import Texts, pack_texts
from unlearning.trial import run_trial

HALF = "development"  # of the tuning seed's questions: enough to compare trials


class Tuning:
    """One model, benchmark, method and scope: what all trials share."""

    def __init__(self, args: argparse.Namespace, original: dict):
        self.args, self.original, self.settings = args, original, args.settings
        self.selection = read_json(args.selection)
        block = self.settings["benchmark"]
        self.tests = read_tests(block, args.data, [HALF])
        self.tests = {name: test for name, test in self.tests.items() if name in DECIDING}
        self.base = base_hash(args.model)
        self.blocks = self._blocks(forget_texts(block, args.data), retain_texts(block, args.data))

    def _blocks(self, forget: list[str], retain: list[str]) -> Texts:
        weights = load_file(self.args.token_weights)["weights"] if self.args.token_weights else None
        return pack_texts(AutoTokenizer.from_pretrained(self.args.model), forget, retain, self.settings, weights)

    def trial(self, tried: dict[str, float], best: float) -> dict:
        """Run one trial on a fresh copy of the model."""
        settings = with_tuned(self.settings, tried, self.selection)
        torch.manual_seed(self.args.seed)
        model, tokenizer = load(self.args.model, settings["training"].get("precision", "float32"))
        run = Run(model, self.blocks, settings, self.selection, self.args.seed, Group())
        run.prepare(Reuse(1e9 * self.args.limit_gb, self.args.prefix, self.base))
        answering = responders(model, tokenizer, settings["batch_size"], run.prefix)

        def score(step: int) -> dict:
            return evaluate(self.tests, answering, step)[0]

        return tried | asdict(run_trial(run, score, self.original, HALF, best))


def tune(args: argparse.Namespace, original: dict) -> tuple[list[dict], str]:
    """All trials, in order; why there are none, or ""."""
    if reason := unmeasurable(original, HALF):
        return [], f"{reason}; nothing was tried"
    settings = args.settings
    stage.load("methods", settings["method"]["name"])  # their code is part of the stamp
    stage.load("scopes", settings["scope"]["kind"])
    tuning = Tuning(args, original)
    inputs = [tuning.selection, tuning.base, original, args.token_weights and sha256(args.token_weights)]
    inputs += [sha256(path) for path in provenance.files_named(settings["benchmark"], args.data)]
    stamp = stamp_of(settings=[settings, args.seed], inputs=inputs)
    with State(args.state or args.output.parent / f"{args.output.stem}-state", stamp, 1) as state:
        saved = state.load()
        done = saved["trials"] if saved else []
        made: list[dict] = []

        def value(tried: dict[str, float]) -> float:
            if len(made) == len(done):
                done.append(tuning.trial(tried, max((trial["value"] for trial in done), default=0.0)))
                if state.due(len(done)):
                    state.save(len(done), {"trials": done})
            made.append(done[len(made)])
            return made[-1]["value"]

        search(settings["start"], settings["trials"], value)
        state.complete()
    return made, ""


def result(settings: dict, trials: list[dict], reason: str) -> dict:
    """The tuning json. Ties go to the earlier trial."""
    names = list(settings["start"])
    if not trials:
        chosen = settings["start"]
        note = reason or "a single trial; its settings are taken"
    else:
        best = max(trials, key=lambda trial: trial["value"])
        chosen = {name: best[name] for name in names}
        note = f"largest kept utility of {len(trials)} trials, what was not reached counting nothing"
    ends = edges(chosen, [{name: trial[name] for name in names} for trial in trials]) if trials else []
    return {"chosen": chosen, "tried": trials, "note": note, "edges": ends}


def main() -> None:
    options = ("settings", "seed", "threads", "state", "limit-gb", "output")
    parser = stage.parser(__doc__, *options)
    for name in ("model", "data", "selection"):
        parser.add_argument(f"--{name}", type=Path, nargs="?")
    parser.add_argument("--original", type=Path, nargs="?", help="the untouched model's metrics.json")
    parser.add_argument("--token-weights", type=Path, nargs="?", help="safetensors file of weigh_retain_tokens.py")
    parser.add_argument("--prefix", type=Path, nargs="?", help="file of cache_prefix.py")
    args = parser.parse_args()
    libraries.set_up(args.threads)
    trials, reason, read = [], "", []
    if args.settings["trials"] > 1:
        if args.original is None:
            raise SystemExit("--original is missing: trials are compared with the untouched model")
        trials, reason = tune(args, checked(read_json(args.original), args.original)[0])
        read = [args.model, args.selection, args.original]
        read += provenance.files_named(args.settings["benchmark"], args.data)
    write_json(args.output, result(args.settings, trials, reason))
    provenance.record(args.output, vars(args), read, [args.output])


if __name__ == "__main__":
    main()
