"""Evaluate the checkpoints of one cell: ours in one pass, lm-eval's HFLM one after the other."""

import io
import json
from contextlib import nullcontext, redirect_stderr
from pathlib import Path

import torch
from lm_eval.evaluator import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from bench.steps import EXPERT, model_of
from benchmarks.likelihood import LanguageModel
from benchmarks.multiple_choice import TASKS, MultipleChoice
from moe.delta import applied, lowest_changed, save_delta
from moe.layers import find_moe_layers
from moe.upper_layers import Reuse, reuse_prefix_
from scopes.uoe import prepare

TESTS = {"mmlu": 24, "mmlu_option_text": 12}  # questions, of about 70 and 4 x 40 tokens
BATCH = 24


def tokenizer_of() -> PreTrainedTokenizerFast:
    """One token per word."""
    words = [f"w{number}" for number in range(3000)] + list("ABCD.:?") + ["Answer", "Question"]
    vocabulary = {"<pad>": 0, "<eos>": 1} | {word: number for number, word in enumerate(words, start=2)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<pad>")


def write_questions(folder: Path) -> None:
    generator = torch.Generator().manual_seed(5)

    def words(count: int) -> str:
        return " ".join(f"w{n}" for n in torch.randint(0, 3000, (count,), generator=generator).tolist())

    for task, count in TESTS.items():
        rows = [
            {"question": words(30), "choices": [words(5) for _ in range(4)], "answer": n % 4, "subject": "words"}
            for n in range(count)
        ]
        (folder / f"{task}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_checkpoints(config, layer: int, count: int, folder: Path) -> list[Path]:
    """Deltas as UOE leaves them: one expert and its layer's router, moved a little further each time."""
    model = model_of(config).requires_grad_(False)
    selection = {"experts": {str(layer): [EXPERT]}, "routers": [layer]}
    prepare(model, find_moe_layers(model), selection, {})
    paths = []
    for number in range(1, count + 1):
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number)))
        paths.append(folder / f"step-{number:04d}.safetensors")
        save_delta(model, paths[-1], "bench")
    return paths


def ours(model, tokenizer, folder: Path, paths: list[Path]) -> list[dict[str, float]]:
    """As in evaluate.py: accuracies by test, for every checkpoint."""
    tests = {task: MultipleChoice(task, {"task": task, "file": f"{task}.jsonl"}, folder, ["development", "test"])
             for task in TESTS}  # fmt: skip
    for test in tests.values():
        test.asked_swapped = []  # lm-eval has no such check
    lowest = lowest_changed(model, paths) if len(paths) > 1 else 0
    prefix = reuse_prefix_(model, lowest, Reuse(), [], BATCH)
    responder, results = LanguageModel(model, tokenizer, BATCH, prefix), []
    for path in paths:
        with applied(model, path) if path else nullcontext():
            results.append({task: accuracy_of(test, responder) for task, test in tests.items()})
    if prefix:
        prefix.remove()
    return results


def accuracy_of(test: MultipleChoice, responder: LanguageModel) -> float:
    given = responder.loglikelihood([request for requests in test.asked for request in requests])
    options = [given[start : start + 4] for start in range(0, len(given), 4)]
    right = [test.task.process_results(doc, four)["acc"] for doc, four in zip(test.docs, options, strict=True)]
    return sum(right) / len(right)


def loops(model, tokenizer, folder: Path, paths: list[Path]) -> tuple[dict, dict]:
    """The answering alone, without lm-eval's preparation of each run: calls by name, and their log-likelihoods.
    "shared": as ours, but hidden states below the trained layer are kept between calls, as if cells shared them."""
    tests = [MultipleChoice(task, {"task": task, "file": f"{task}.jsonl"}, folder, ["development", "test"])
             for task in TESTS]  # fmt: skip
    asked = [[request for requests in test.asked for request in requests] for test in tests]
    results = {}

    def run(name: str, responder: HFLM) -> None:
        results[name] = []
        for path in paths:
            with applied(model, path):
                for requests in asked:
                    results[name] += [value for value, _ in responder.loglikelihood(requests, disable_tqdm=True)]

    def one_pass(name: str, left: dict) -> None:
        prefix = reuse_prefix_(model, lowest_changed(model, paths), Reuse(), [], BATCH)
        prefix.known = left
        run(name, LanguageModel(model, tokenizer, BATCH, prefix))
        prefix.remove()

    def one_by_one() -> None:
        run("HFLM", HFLM(pretrained=model, tokenizer=tokenizer, batch_size=BATCH))

    left: dict = {}  # hidden states left by the first call of "shared"
    calls = {"HFLM": one_by_one, "ours": lambda: one_pass("ours", {}), "shared": lambda: one_pass("shared", left)}
    return calls, results


def theirs(model, tokenizer, folder: Path, paths: list[Path]) -> list[dict[str, float]]:
    """lm-eval's own evaluation of the model in memory, once per checkpoint."""
    results = []
    for path in paths:
        with applied(model, path):
            entry = {}
            for task in TESTS:
                metadata = {"file": str(folder / f"{task}.jsonl")}
                manager = TaskManager(include_path=str(TASKS), include_defaults=False, metadata=metadata)
                lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=BATCH)
                with redirect_stderr(io.StringIO()):  # its bars
                    result = simple_evaluate(lm, tasks=[task], task_manager=manager, bootstrap_iters=0)
                entry[task] = result["results"][task]["acc,none"]
            results.append(entry)
    return results
