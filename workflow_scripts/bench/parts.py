"""The parts of the benchmark, each a list of rows: what was measured, median and spread, and the limit by counting."""

import ctypes
import re
import statistics
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import patch

from bench import questions, start_up, steps
from bench.real import REAL
from bench.steps import METHODS, SHAPE, Full, Naive, Reused, config_of, model_of
from moe.budget import LOADING_MINUTES_PER_GB, QUESTION_TOKENS, QUESTIONS
from moe.cost import Cost, cost_of, step_memory
from moe.delta import save_delta
from unlearning import run
from unlearning.texts import Texts

DEPTHS = (2, 8, 11)  # of 12 layers: near the bottom, two thirds up, the last
THIRDS = 2 / 3


def paired(calls: dict[str, Callable], repeats: int, warm: int = 1) -> dict[str, list[float]]:
    """Seconds of each call; in every round each is run once, so that what else the machine does hits all alike."""
    times = {name: [] for name in calls}
    for number in range(warm + repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if number >= warm:
                times[name].append(time.perf_counter() - start)
    return times


def ratio_row(part: str, what: str, times: dict, slow: str, fast: str, limit: float | None) -> dict:
    """Ratios of the rounds: their median, smallest and largest, and the limit that counting operations sets, if any."""
    ratios = [a / b for a, b in zip(times[slow], times[fast], strict=True)]
    middle = statistics.median(ratios)
    row = {"part": part, "what": what, "against": slow, "seconds": statistics.median(times[fast])}
    row |= {"seconds_against": statistics.median(times[slow]), "ratio": middle}
    return row | {"least": min(ratios), "most": max(ratios), "limit": limit, "share": limit and middle / limit}


def stepper(kind: type, method: str, layer: int, config=None, length=SHAPE["length"], rows=SHAPE["rows"]) -> Callable:
    step = kind(model_of(config or config_of()), method, layer, length, rows)
    numbers = iter(range(10**6))
    return lambda: step.run(next(numbers))


def training_steps(repeats: int) -> list[dict]:
    """(a) Four methods at three depths: naive one-expert training over ours, and full fine-tuning over ours."""
    cost, rows = cost_of(config_of(), SHAPE["length"]), []
    for method in METHODS:
        for layer in DEPTHS:
            kinds = {"naive": Naive, "ours": Reused} | ({"full": Full} if method == "ga" else {})
            calls = {name: stepper(kind, method, layer) for name, kind in kinds.items()}
            times = paired(calls, repeats)
            what = f"{method} step, layer {layer} of {SHAPE['layers']}"
            rmu = method == "rmu"
            slow, fast = (cost.naive_rmu, cost.reused_rmu) if rmu else (cost.naive, cost.reused)
            rows.append(ratio_row("a", what, times, "naive", "ours", slow(layer) / fast(layer)))
            if "full" in times:
                rows.append(ratio_row("a", what, times, "full", "ours", cost.full() / cost.reused(layer)))
    return rows


def evaluation(folder: Path, repeats: int, checkpoints: int = 8) -> list[dict]:
    """(b) All checkpoints of a cell, two thirds up: lm-eval's HFLM once each over ours in one pass."""
    config, layer = config_of(), int(THIRDS * SHAPE["layers"])
    paths = questions.write_checkpoints(config, layer, checkpoints, folder)
    model, tokenizer, results = model_of(config), questions.tokenizer_of(), {}

    def run(name: str, function: Callable) -> Callable:
        return lambda: results.__setitem__(name, function(model, tokenizer, folder, paths))

    calls = {"HFLM": run("HFLM", questions.theirs), "ours": run("ours", questions.ours)}
    times = paired(calls, repeats, warm=0)
    if results["HFLM"] != results["ours"]:
        raise SystemExit(f"accuracies differ: {results['HFLM']} and {results['ours']}")
    slow, fast = cost_of(config, 70).evaluation(layer, checkpoints)
    what = f"evaluating {checkpoints} checkpoints, layer {layer} of {SHAPE['layers']}"
    calls, values = questions.loops(model, tokenizer, folder, paths)
    calls["shared"]()  # another cell leaves its prefix
    alone = paired(calls, repeats, warm=0)
    worst = max(abs(a - b) for name in ("ours", "shared") for a, b in zip(values["HFLM"], values[name], strict=True))
    if worst > 1e-5:
        raise SystemExit(f"log-likelihoods differ by up to {worst:.2g}")
    suffixes = checkpoints * sum(cost_of(config, 70).layers[layer:])
    left = "the same where another cell has left its prefix"
    return [
        ratio_row("b", what, times, "HFLM", "ours", slow / fast),
        ratio_row("b", f"{what}, model calls alone", alone, "HFLM", "ours", slow / fast),
        ratio_row("shared", left, alone, "ours", "shared", fast / suffixes),
    ]


def _resident(peak: bool) -> int:
    text = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"{'VmHWM' if peak else 'VmRSS'}:\s+(\d+)", text).group(1))


def _peak(prepare: Callable, sender) -> None:
    run = prepare()
    ctypes.CDLL(None).malloc_trim(0)  # what the parent had freed is given back, not used again unseen
    before = _resident(peak=False)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    for _ in range(2):
        run()
    sender.send((before, _resident(peak=True)))


def peak(prepare: Callable) -> tuple[int, int]:
    """Bytes resident once `prepare()` is done and at the peak of two calls of what it returns, in a child process."""
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_peak, args=(prepare, sender))
    process.start()
    results = receiver.recv()
    process.join()
    return results


def memory(folder: Path) -> list[dict]:
    """(c) What a step, or an evaluation of two checkpoints, needs beside what was there when it began."""
    layer = int(THIRDS * SHAPE["layers"])
    paths = questions.write_checkpoints(config_of(), layer, 2, folder)
    tokenizer = questions.tokenizer_of()

    def asked(function: Callable) -> Callable:
        model = model_of(config_of())
        return lambda: function(model, tokenizer, folder, paths)

    cases = {}
    for method in ("ga", "rmu"):
        for name, kind in (("ours", Reused), ("naive", Naive)) + ((("full", Full),) if method == "ga" else ()):
            cases[f"{method} step, layer {layer}", name] = lambda k=kind, m=method: stepper(k, m, layer)
    cases["evaluating 2 checkpoints", "ours"] = lambda: asked(questions.ours)
    cases["evaluating 2 checkpoints", "HFLM"] = lambda: asked(questions.theirs)
    rows = []
    for (what, name), prepare in cases.items():
        before, most = peak(prepare)
        rows.append({"part": "c", "what": what, "against": name, "megabytes": (most - before) / 1e6})
    return rows


def whole_cells(folder: Path, repeats: int) -> list[dict]:
    """(d) Unlearning (12 steps, three checkpoints) and evaluation of a GA x UOE cell: naive over ours."""
    layer, config = int(THIRDS * SHAPE["layers"]), config_of()
    texts = Texts(steps.texts(16, 128, seed=1), None)
    selection = {"experts": {str(layer): [steps.EXPERT]}, "routers": [layer], "anchor": {str(layer): [steps.EXPERT]}}
    training = {"batch_size": 4, "block_length": 128, "steps": 12, "checkpoint_growth": 4, "probe_every": 4}
    training |= {"probe_blocks": 4}
    settings = {"method": {"name": "ga"}, "scope": {"kind": "uoe", "alpha": 1.0}, "training": training}
    settings |= {"learning_rate": steps.RATE}
    tokenizer = questions.tokenizer_of()

    def cell(reuse: bool) -> None:
        model, paths = model_of(config), []

        def save(step: int) -> None:
            paths.append(folder / f"step-{step:04d}.safetensors")
            save_delta(model, paths[-1], "bench")

        with patch.object(run, "reuse_prefix_", run.reuse_prefix_ if reuse else lambda *arguments: None):
            run.unlearn(model, texts, settings, selection, 0, save)
        (questions.ours if reuse else questions.theirs)(model_of(config), tokenizer, folder, paths)

    times = paired({"naive": lambda: cell(False), "ours": lambda: cell(True)}, repeats, warm=0)
    return [ratio_row("d", f"whole GA x UOE cell, layer {layer}", times, "naive", "ours", None)]


def growth(folder: Path, repeats: int) -> list[dict]:
    """(e) A GA step two thirds up as layers, experts and tokens grow; an evaluation as checkpoints do, against HFLM's
    time for one times their number."""
    rows = []
    grid = [("layers", n) for n in (6, 12, 24)] + [("experts", n) for n in (8, 16, 32, 64)]
    grid += [("length", n) for n in (32, 64, 128, 256)]
    for axis, value in grid:
        shape = SHAPE | {axis: value}
        config, layer = config_of(shape["layers"], shape["experts"]), int(THIRDS * shape["layers"])
        kinds = {"naive": Naive, "ours": Reused}
        calls = {name: stepper(kind, "ga", layer, config, shape["length"]) for name, kind in kinds.items()}
        cost = cost_of(config, shape["length"])
        limit = cost.naive(layer) / cost.reused(layer)
        rows.append(ratio_row("e", f"{axis} {value}", paired(calls, repeats), "naive", "ours", limit))
    config, layer = config_of(), int(THIRDS * SHAPE["layers"])
    model, tokenizer = model_of(config), questions.tokenizer_of()
    paths = questions.write_checkpoints(config, layer, 16, folder)
    times = paired({"one": lambda: questions.theirs(model, tokenizer, folder, paths[:1])}, repeats, warm=0)
    one = statistics.median(times["one"])
    for count in (1, 2, 4, 8, 16):
        times = paired({"ours": lambda n=count: questions.ours(model, tokenizer, folder, paths[:n])}, repeats, warm=0)
        times["HFLM"] = [one * count] * repeats  # its runs know nothing of each other
        slow, fast = cost_of(config, 70).evaluation(layer, count)
        rows.append(ratio_row("e", f"checkpoints {count}", times, "HFLM", "ours", slow / fast))
    return rows


TFLOPS = 100.0  # config/paper.yaml: hardware
CHECKPOINTS = 10  # of a cell, config/paper.yaml: training


def real_limits(length: int = 1024, rows: int = 4) -> list[dict]:
    """What counting allows at the papers' own layers, and the memory that a UOE step plans there: bf16, as in
    config/paper.yaml `rows` x 1,024 tokens in a pass, activations recomputed."""
    results = []
    for name, (config, layer) in REAL.items():
        cost: Cost = cost_of(config, length)
        slow, fast = cost.evaluation(layer, 8)
        ratios = {"naive": cost.naive(layer) / cost.reused(layer), "full": cost.full() / cost.reused(layer)}
        ratios |= {"naive RMU": cost.naive_rmu(layer) / cost.reused_rmu(layer), "HFLM x 8": slow / fast}
        memory_bytes = step_memory(config, cost, layer, rows * length, recomputed=True)
        results.append(
            {"part": "limits", "what": name, "head_in_layers": cost.head / statistics.mean(cost.layers)}
            | {f"limit_{key}": value for key, value in ratios.items()}
            | {f"gigabytes_{key}": value / 1e9 for key, value in memory_bytes.items()}
            | shared_questions(cost, config.hidden_size, layer)
        )
    return results


def shared_questions(cost: Cost, width: int, layer: int) -> dict[str, float | None]:
    """What evaluations on WMDP and MMLU would save by sharing between cells what enters `layer` on the questions.

    As in config/paper.yaml: CHECKPOINTS answer every question. A file of such hidden states (bf16) would be read at
    the speed at which weights are loaded; the first cell's evaluation, or a job of its own, must make and write it.
    Shares of one evaluation's seconds, of model loading and layers alone."""
    tokens = (QUESTIONS["wmdp"] + QUESTIONS["mmlu test"]) * QUESTION_TOKENS
    below = tokens * sum(cost.layers[:layer]) / (1e12 * TFLOPS)
    above = CHECKPOINTS * tokens * sum(cost.layers[layer:]) / (1e12 * TFLOPS)
    seconds_a_gigabyte = 60 * LOADING_MINUTES_PER_GB
    size = tokens * width * 2 / 1e9
    loading = seconds_a_gigabyte * 2 * (sum(cost.layer_weights) + 2 * cost.head_weights) / 1e9
    whole, saved = loading + below + above, below - seconds_a_gigabyte * size
    made = loading + below + seconds_a_gigabyte * size
    shares = {"shared_passes": below / (below + above), "shared_saved": saved / whole}
    return shares | {"shared_gigabytes": size, "shared_cells": made / saved if saved > 0 else None}


def process_starts() -> list[dict]:
    """What each stage pays before its first line of work, and what it loads: twice, the better one."""
    forks, rows = start_up.forked(), []
    for stage in start_up.STAGES:
        loaded: list[str] = []
        took = paired({stage: lambda s=stage, names=loaded: names.extend(start_up.libraries(s))}, 2, warm=0)[stage]
        rows.append({"part": "start", "what": stage, "libraries": ", ".join(dict.fromkeys(loaded))})
        rows[-1] |= {"seconds": min(took), "seconds_forked": forks[stage]}
    return rows
