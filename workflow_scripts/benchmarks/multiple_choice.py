"""Multiple-choice tests, asked and scored by lm-eval with the task files in `tasks/`."""

import math
from functools import cache
from pathlib import Path

import datasets
import lm_eval.utils
from lm_eval.tasks import TaskManager

from benchmarks.answered import Answered, shares
from benchmarks.collapse import letters_collapse, sample, swap_collapse, swapped
from benchmarks.halves import placed
from benchmarks.likelihood import LanguageModel
from benchmarks.scores import accuracy, by_half
from jobs.files import read_jsonl

TASKS = Path(__file__).parent / "tasks"
FILES_BESIDE = ("benchmarks/tasks/*.yaml",)  # files that this module reads (planning/code.py)

# lm-eval compiles a task's templates anew for every question, which took a third of a micro checkpoint's evaluation
lm_eval.utils.env.from_string = cache(lm_eval.utils.env.from_string)


def read_questions(file: str, **_: object) -> dict[str, datasets.Dataset]:
    """Rows of a JSON-lines file as lm-eval wants them, in memory: nothing is cached in the user's home.

    Columns `fact` and `half` as in halves.py.
    """
    rows = [placed(row, row["question"], file) for row in _rows(Path(file))]
    return {"test": datasets.Dataset.from_list(rows)}


def _rows(path: Path) -> list[dict]:
    rows = read_jsonl(path, ("question", "choices", "answer"))
    for number, row in enumerate(rows, start=1):
        options, answer = row["choices"], row["answer"]
        if (
            not isinstance(options, list)
            or len(options) < 2
            or not isinstance(answer, int)
            or not 0 <= answer < len(options)
        ):
            raise SystemExit(
                f"{path}, row {number}: answer {answer!r} must be the index of one of at least two choices"
            )
    return rows


class MultipleChoice:
    """One test; its requests are built once and answered by any number of checkpoints."""

    def __init__(self, name: str, block: dict, data: Path, halves: list[str]):
        """name: of the test, for messages; block: "task", "file"; halves: which to ask."""
        file = {"file": str(data / block["file"])}
        manager = TaskManager(include_path=str(TASKS), include_defaults=False, metadata=file)
        if block["task"] not in manager.all_subtasks:
            raise SystemExit(
                f"{name}: task {block['task']!r} is not in {TASKS.name}/ (allowed: {', '.join(manager.all_subtasks)})"
            )
        self.name, self.halves = name, halves
        self.task = manager.load(block["task"])["tasks"][block["task"]]
        self.letters = isinstance(self.task.config.doc_to_choice, list)
        docs = list(self.task.eval_docs)
        self.rows = [index for index, doc in enumerate(docs) if doc["half"] in halves]
        self.docs = [docs[index] for index in self.rows]
        for wanted in halves:
            if all(doc["half"] != wanted for doc in self.docs):
                raise SystemExit(f"{data / block['file']}: no question falls into the {wanted} half")
        self.right = [self.task.doc_to_target(doc) for doc in self.docs]
        self.asked = self._requests(self.docs)
        self.swapped: list[int] = []  # which questions are asked again with another one's text
        self.asked_swapped = []
        if not self.letters:
            questions, facts = ([doc[key] for doc in self.docs] for key in ("question", "fact"))
            self.swapped = sample(questions)
            texts = swapped([questions[index] for index in self.swapped], [facts[index] for index in self.swapped])
            docs = [self.docs[index] | {"question": text} for index, text in zip(self.swapped, texts, strict=True)]
            self.asked_swapped = self._requests(docs)

    def _requests(self, docs: list[dict]) -> list[list]:
        return [
            self.task.construct_requests(doc, self.task.fewshot_context(doc, 0), metadata=(self.name, number, 1))
            for number, doc in enumerate(docs)
        ]

    def answer(self, lm: LanguageModel) -> Answered:
        """Accuracy, and the probability of the right option: the softmax over the options' log-likelihoods."""
        every = [request for requests in self.asked + self.asked_swapped for request in requests]
        results = iter(lm.loglikelihood(every, disable_tqdm=True))
        given = [[next(results) for _ in requests] for requests in self.asked + self.asked_swapped]
        chosen = [max(range(len(options)), key=lambda i, options=options: options[i][0]) for options in given]
        answers = [
            {
                "half": doc["half"],
                "fact": doc["fact"],
                "chosen": chosen[number],
                "gold": right,
                "correct": float(chosen[number] == right),
                "probability": probability([value for value, _ in given[number]], right),
                "options": len(given[number]),
                "subject": doc.get("subject"),
            }
            for number, (doc, right) in enumerate(zip(self.docs, self.right, strict=True))
        ]
        kept = ("fact", "half", "chosen", "correct", "probability")
        rows = [
            {"row": row} | {key: answer[key] for key in kept} for row, answer in zip(self.rows, answers, strict=True)
        ]
        if self.letters:
            share, reason = letters_collapse(chosen)
        else:
            other = chosen[len(self.docs) :]
            share, reason = swap_collapse([chosen[index] for index in self.swapped], other)
            for index, option in zip(self.swapped, other, strict=True):
                rows[index]["chosen_swapped"] = option
        return Answered(
            by_half(answers, self.halves, accuracy),
            rows,
            measures={"one_letter" if self.letters else "unchanged_by_swap": share},
            reasons=[reason] if reason else [],
            kinds=shares(["right" if row["correct"] else "other" for row in rows], ("right", "other")),
        )


def probability(loglikelihoods: list[float], right: int) -> float:
    """Softmax over the options' log-likelihoods (nats) at the right one; six decimals, as predictions are stored."""
    most = max(loglikelihoods)
    shares = [math.exp(value - most) for value in loglikelihoods]
    return round(shares[right] / math.fsum(shares), 6)
