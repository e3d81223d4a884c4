"""Multiple-choice tests, asked and scored by lm-eval with the task files in `tasks/`."""

from functools import cache
from pathlib import Path

import datasets
import lm_eval.utils
from lm_eval.tasks import TaskManager

from benchmarks.collapse import judged, letters_collapse, sample, swap_collapse, swapped
from benchmarks.halves import half
from benchmarks.likelihood import LanguageModel
from benchmarks.scores import accuracy, by_half
from jobs.files import read_jsonl

TASKS = Path(__file__).parent / "tasks"
FILES_BESIDE = ("benchmarks/tasks/*.yaml",)  # files that this module reads (planning/code.py)

# lm-eval compiles a task's templates anew for every question, which took a third of a micro checkpoint's evaluation
lm_eval.utils.env.from_string = cache(lm_eval.utils.env.from_string)


def read_questions(file: str, development_file: str | None = None, **_: object) -> dict[str, datasets.Dataset]:
    """Rows of a JSON-lines file as lm-eval wants them, in memory: nothing is cached in the user's home.

    Column `half`: by the question (halves.py) or, with a development file, one half for each file.
    """
    rows = [row | {"half": "test" if development_file else half(row["question"])} for row in _rows(Path(file))]
    if development_file:
        rows += [row | {"half": "development"} for row in _rows(Path(development_file))]
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
        """name: of the test, for messages; block: "task", "file", perhaps "development_file"; halves: which to ask."""
        files = {key: str(data / block[key]) for key in ("file", "development_file") if key in block}
        manager = TaskManager(include_path=str(TASKS), include_defaults=False, metadata=files)
        if block["task"] not in manager.all_subtasks:
            raise SystemExit(
                f"{name}: task {block['task']!r} is not in {TASKS.name}/ (allowed: {', '.join(manager.all_subtasks)})"
            )
        self.name, self.halves = name, halves
        self.task = manager.load(block["task"])["tasks"][block["task"]]
        self.letters = isinstance(self.task.config.doc_to_choice, list)
        docs = list(self.task.eval_docs)
        of_doc = [doc["half"] for doc in docs]
        self.rows = [index for index, name in enumerate(of_doc) if name in halves]
        self.docs = [docs[index] for index in self.rows]
        self.of_doc = [of_doc[index] for index in self.rows]
        for wanted in halves:
            if wanted not in self.of_doc:
                raise SystemExit(f"{data / block['file']}: no question falls into the {wanted} half")
        questions = [doc["question"] for doc in self.docs]
        self.judged = judged(questions, self.of_doc)
        self.asked = self._requests(self.docs)
        self.asked_swapped = []
        if not self.letters:
            self.judged = sample(questions, self.judged)
            texts = swapped([questions[index] for index in self.judged])
            docs = [self.docs[index] | {"question": text} for index, text in zip(self.judged, texts, strict=True)]
            self.asked_swapped = self._requests(docs)

    def _requests(self, docs: list[dict]) -> list[list]:
        return [
            self.task.construct_requests(doc, self.task.fewshot_context(doc, 0), metadata=(self.name, number, 1))
            for number, doc in enumerate(docs)
        ]

    def answer(self, lm: LanguageModel) -> tuple[dict, dict, dict, list[str], list[dict]]:
        """(scores by half, {} (no parts), collapse measures, collapse reasons, one row per question)."""
        every = [request for requests in self.asked + self.asked_swapped for request in requests]
        results = iter(lm.loglikelihood(every, disable_tqdm=True))
        given = [[next(results) for _ in requests] for requests in self.asked + self.asked_swapped]
        chosen = [max(range(len(options)), key=lambda i, options=options: options[i][0]) for options in given]
        answers = [
            {
                "half": self.of_doc[number],
                "chosen": chosen[number],
                "gold": self.task.doc_to_target(doc),
                "correct": self.task.process_results(doc, given[number])["acc"],
                "options": len(given[number]),
                "subject": doc.get("subject"),
            }
            for number, doc in enumerate(self.docs)
        ]
        rows = [
            {"row": row, "half": got["half"], "chosen": got["chosen"], "correct": got["correct"]}
            for row, got in zip(self.rows, answers, strict=True)
        ]
        own = [chosen[index] for index in self.judged]
        if self.letters:
            share, reason = letters_collapse(own)
        else:
            other = chosen[len(self.docs) :]
            share, reason = swap_collapse(own, other)
            for index, option in zip(self.judged, other, strict=True):
                rows[index]["chosen_swapped"] = option
        measures = {"one_letter" if self.letters else "unchanged_by_swap": share}
        return by_half(answers, self.halves, accuracy), {}, measures, [reason] if reason else [], rows
