"""The tests of a benchmark, and the scores of one checkpoint on all of them."""

from pathlib import Path

from benchmarks.generation import Generation, TextGenerator
from benchmarks.likelihood import LanguageModel
from benchmarks.multiple_choice import MultipleChoice
from benchmarks.muse import KnowMem, PrivLeak, VerbMem
from moe.upper_layers import Prefix

KINDS = {
    "multiple_choice": MultipleChoice,
    "generation": Generation,
    "verbmem": VerbMem,
    "knowmem": KnowMem,
    "privleak": PrivLeak,
}
DECIDING = ("forget", "utility")  # the tests that checkpoints are chosen by; others are reported only
SURVIVING = ("utility", "neighbours")  # the tests whose collapse is the checkpoint's


def read_tests(benchmark: dict, data: Path, halves: list[str]) -> dict:
    """The tests of a benchmark block by name (`forget` for `forget_test`, …), their questions read and checked."""
    tests = {}
    for key, block in benchmark.items():
        if not key.endswith("_test"):
            continue
        if block["kind"] not in KINDS:
            raise SystemExit(f"{benchmark['name']}: {key}: kind {block['kind']!r} is none of {', '.join(KINDS)}")
        tests[key.removesuffix("_test")] = KINDS[block["kind"]](f"{benchmark['name']}: {key}", block, data, halves)
    for name in DECIDING:
        if name not in tests:
            raise SystemExit(f"{benchmark['name']}: {name}_test is missing")
    return tests


def responders(model, tokenizer, batch_size: int, prefix: Prefix | None = None) -> dict:
    """What answers each class of test: lm-eval's wrapper for multiple choice, greedy decoding for the others."""
    by_test = dict.fromkeys(KINDS.values(), TextGenerator(model, tokenizer, batch_size))
    return by_test | {MultipleChoice: LanguageModel(model, tokenizer, batch_size, prefix)}


def evaluate(tests: dict, responders: dict, step: int) -> tuple[dict, list[dict]]:
    """Entry of metrics.json and prediction rows of the model as it is now.

    `collapsed` follows from the tests SURVIVING alone; `forget_answers` are the shares of what the forget test is
    answered with (answered.KINDS; of multiple choice right and other), by all questions that are asked.
    """
    entry: dict = {"step": step, "collapse_measures": {}, "collapse_reasons": [], "extra": {}}
    predictions = []
    for name, test in tests.items():
        answered = test.answer(responders[type(test)])
        if name in DECIDING:
            entry[name] = answered.scores
        else:
            entry["extra"][name] = answered.scores
        if name == "forget":
            entry["forget_answers"] = answered.kinds
        if name in (*DECIDING, *SURVIVING):
            entry["collapse_measures"][name] = answered.measures
        if name in SURVIVING:
            entry["collapse_reasons"] += [f"{name}: {reason}" for reason in answered.reasons]
        parts = answered.parts.items()
        entry["extra"] |= {part if name == "forget" else f"{name}_{part}": score for part, score in parts}
        predictions += [{"step": step, "test": name} | row for row in answered.rows]
    return entry | {"collapsed": bool(entry["collapse_reasons"])}, predictions
