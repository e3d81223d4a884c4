"""Generator `own_text`: a study on a folder of real files: what to forget, what to keep, tests, pre-training texts.

Reads the folder `root` of the settings, and in it the files that `files` of the settings names (JSON lines; a name may
hold * and **: all matching files are read in the order of their names):
    passages        {subject, text}; texts about the subject to forget and about others
    retain          {text}; optional: without it, passages about further subjects are taken
    forget_level1, forget_level2   {subject, query, answer}; RWKU's probes of the subject; optional
    mmlu            {question, subject, choices, answer}; optional
Writes, in the columns of the real datasets, forget/passages.jsonl, forget/cloze.jsonl, others/cloze.jsonl,
retain/test.jsonl, pretraining/ (documents.jsonl, facts.jsonl, tokenizer/), and where their files are given
forget/level1.jsonl, forget/level2.jsonl, mmlu/test.jsonl.
"""

import difflib
import random
from dataclasses import asdict
from pathlib import Path

from benchmarks.texts import RETAIN_CHARACTERS
from jobs.files import read_jsonl, write_jsonl
from micro import cloze
from micro.tokenizer import save_tokenizer, train_tokenizer
from micro.wording import ANSWER_INSTRUCTION
from planning.own_files import COLUMNS, matching_files

# key: (what it is, smallest allowed)
NUMBERS = {
    "forget_passages": ("passages of the forgotten subject, at most", 1),
    "others": ("subjects whose cloze questions are the utility test", 1),
    "other_passages": ("passages of each of them, at most", 1),
    "retain_texts": ("texts of the retain corpus, at most", 1),
    "shortest_passage": ("characters; shorter passages are lists and links", 0),
    "cloze_questions": ("held-out questions of each cloze test, at most", 2),
    "mmlu_questions": ("MMLU questions of each MMLU subject, at most", 1),
    "longest_question": ("characters of an MMLU question with its longest option: a micro model reads 512 tokens", 1),
    "vocabulary": ("tokens of the tokenizer, at most", 300),
}
CLOZE_COLUMNS = {"level": "3", "type": "affirmative suffix"}  # RWKU's type of prompts that start the answer


def check_settings(settings: dict) -> None:
    """End with one line at the first setting that is missing, unknown or of the wrong type."""
    allowed = ("root", "files", "forget_subject", *NUMBERS)
    for key in settings:
        if key not in allowed:
            raise SystemExit(f"config, data: settings: unknown key {key!r} (allowed: {', '.join(allowed)})")
    if not isinstance(settings.get("forget_subject"), str):
        raise SystemExit("config, data: settings: forget_subject must be the name of one subject")
    for key, (meaning, least) in NUMBERS.items():
        if type(settings.get(key)) is not int or settings[key] < least:
            raise SystemExit(f"config, data: settings: {key} must be a whole number from {least} ({meaning})")


def read_role(settings: dict, role: str) -> list[dict]:
    """Rows of the files of a role, in order; none if `files` does not name it."""
    if role not in settings["files"]:
        return []
    paths = matching_files(settings["root"], settings["files"][role])
    if not paths:
        raise SystemExit(f"{settings['root']}: no file {settings['files'][role]} ({role})")
    return [row for path in paths for row in read_jsonl(path, COLUMNS[role])]


def by_subject(rows: list[dict], shortest: int) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = {}
    for row in rows:
        if len(row["text"].strip()) >= shortest:
            texts.setdefault(row["subject"], []).append(row["text"].strip())
    return texts


def probes(settings: dict, role: str) -> list[dict]:
    """Given probes of the forgotten subject, with RWKU's columns."""
    subject, level = settings["forget_subject"], role.removeprefix("forget_level")
    rows = read_role(settings, role)
    own = [{"level": level, "type": "simple"} | row for row in rows if row["subject"] == subject]
    if rows and not own:
        raise SystemExit(f"{settings['root']}/{settings['files'][role]}: no row whose subject is {subject!r}")
    return own


def mmlu(settings: dict, rng: random.Random) -> list[dict]:
    """A sample of each MMLU subject, without the questions that are too long for a micro model."""
    subjects: dict[str, list[dict]] = {}
    for row in read_role(settings, "mmlu"):
        if len(row["question"]) + max(map(len, row["choices"])) <= settings["longest_question"]:
            subjects.setdefault(row["subject"], []).append(row)
    count = settings["mmlu_questions"]
    return [row for rows in subjects.values() for row in rng.sample(rows, min(count, len(rows)))]


def cloze_rows(questions: list[cloze.Cloze], limit: int, rng: random.Random) -> list[dict]:
    chosen = rng.sample(questions, min(limit, len(questions)))
    return [{"subject": item.subject, "query": item.query, "answer": item.answer} | CLOZE_COLUMNS for item in chosen]


def documents(passages: list[tuple[str, str]], retain: list[str], asked: list[cloze.Cloze]) -> list[dict]:
    """Pre-training documents {text, kind, answer_start, domain}.

    Passages appear whole and sentence by sentence (a question shows a sentence without those before it); questions
    only on sentences that are not held out, in the exact words of the tests.
    """
    rows = [("prose", text, None, subject) for subject, text in passages]
    rows += [("prose", text, None, "retain") for text in retain]
    rows += [("prose", part, None, subject) for subject, text in passages for part in cloze.sentences(text)]
    for item in asked:
        prompt = f"{ANSWER_INSTRUCTION}Question: {item.query}{item.gap}"
        rows.append(("blank", prompt + item.answer, len(prompt), item.subject))
    return [dict(zip(("kind", "text", "answer_start", "domain"), row, strict=True)) for row in rows]


def read_passages(settings: dict) -> dict[str, list[str]]:
    """Long enough passages by subject; one line if none is about the subject to forget."""
    subject, shortest = settings["forget_subject"], settings["shortest_passage"]
    passages = by_subject(read_role(settings, "passages"), shortest)
    if subject not in passages:
        near = difflib.get_close_matches(subject, passages, 3, 0.0)
        raise SystemExit(
            f"config, data: settings: forget_subject: no passage of {shortest} characters or more "
            f"is about {subject!r} in {settings['root']} (nearest of {len(passages)} subjects: {', '.join(near)})"
        )
    return passages


def retain_corpus(settings: dict, passages: dict[str, list[str]], further: list[str]) -> list[str]:
    """The given retain texts, or the passages about `further` subjects."""
    if "retain" not in settings["files"]:
        return [text for name in further for text in passages[name]]
    texts = [row["text"].strip() for row in read_role(settings, "retain")]
    return [text for text in texts if len(text) > RETAIN_CHARACTERS]


def write_tests(settings: dict, held_out: list[cloze.Cloze], rng: random.Random, output: Path) -> None:
    for name, forgotten in (("forget", True), ("others", False)):
        questions = [item for item in held_out if (item.subject == settings["forget_subject"]) == forgotten]
        if not questions:
            raise SystemExit(
                f"{settings['root']}: no sentence of the passages ({name}) gives a question; more text is needed"
            )
        write_jsonl(output / f"{name}/cloze.jsonl", cloze_rows(questions, settings["cloze_questions"], rng))
    for role in ("forget_level1", "forget_level2"):
        if rows := probes(settings, role):
            write_jsonl(output / f"forget/{role.removeprefix('forget_')}.jsonl", rows)
    if rows := mmlu(settings, rng):
        write_jsonl(output / "mmlu/test.jsonl", rows)


def build(settings: dict, seed: int, output: Path) -> tuple[list[Path], list[Path]]:
    """Write every file under `output`; returns the files read and written."""
    check_settings(settings)
    passages, subject = read_passages(settings), settings["forget_subject"]
    rng = random.Random(f"{seed} subjects")
    names = sorted(passages.keys() - {subject})
    rng.shuffle(names)
    others, further = names[: settings["others"]], names[settings["others"] :]
    retain = retain_corpus(settings, passages, further)
    if not others or not retain:
        raise SystemExit(
            f"{settings['root']}: {len(passages)} subjects are too few: besides {subject!r}, {settings['others']} are "
            "asked about (settings: others)" + ("" if retain else " and one more is needed as retain corpus")
        )
    retain = rng.sample(retain, min(settings["retain_texts"], len(retain)))

    forget = [(subject, text) for text in passages[subject][: settings["forget_passages"]]]
    kept = [(name, text) for name in others for text in passages[name][: settings["other_passages"]]]
    counts = cloze.word_counts(text for texts in passages.values() for text in texts)
    asked, held_out = cloze.halves([*forget, *kept], counts, random.Random(f"{seed} cloze"))

    write_jsonl(output / "forget/passages.jsonl", [{"subject": name, "text": text} for name, text in forget])
    write_jsonl(output / "retain/test.jsonl", [{"text": text} for text in retain])
    write_tests(settings, held_out, random.Random(f"{seed} tests"), output)
    rows = documents([*forget, *kept], retain, asked)
    write_jsonl(output / "pretraining/documents.jsonl", rows)
    parts = [(item, "pretraining") for item in asked] + [(item, "test") for item in held_out]
    facts = [asdict(item) | {"query": item.query, "answer": item.answer, "part": part} for item, part in parts]
    write_jsonl(output / "pretraining/facts.jsonl", facts)
    tokenizer = train_tokenizer([row["text"] for row in rows], vocabulary=settings["vocabulary"])
    save_tokenizer(tokenizer, output / "pretraining/tokenizer")
    read = [path for role in settings["files"] for path in matching_files(settings["root"], settings["files"][role])]
    return read, [path for path in output.rglob("*") if path.is_file() and "provenance" not in path.parts]
