"""Write the data of a study from a folder of real files: whom to forget, what to keep, tests, and pre-training texts.

Reads the folder `root` of --settings and the files in it that `files` of --settings names (JSON lines; a name may hold
* and **, all files that match are read in order of their names):
    passages        {subject, text}; texts of the subject to forget and of others
    retain          {text}; may be left out: further subjects' passages are taken
    forget_level1, forget_level2   {subject, query, answer}; RWKU's probes of the subject; may be left out
    mmlu            {question, subject, choices, answer}; may be left out
Writes into --output, in the columns of the real datasets, what of this there is: forget/passages.jsonl,
forget/cloze.jsonl, forget/level1.jsonl, forget/level2.jsonl, others/cloze.jsonl, mmlu/test.jsonl, retain/test.jsonl,
and pretraining/ (documents.jsonl, facts.jsonl, tokenizer/). Equal files and arguments give equal bytes.

    python workflow_scripts/build_own_text.py --seed 0 --output results/own_text/data --settings "$(cat settings.json)"
"""

import argparse
import difflib
import json
import random
from dataclasses import asdict
from pathlib import Path

from benchmarks.texts import RETAIN_CHARACTERS
from jobs import provenance
from jobs.files import read_jsonl, write_jsonl
from micro import cloze
from micro.tokenizer import save_tokenizer, train_tokenizer
from micro.world import ANSWER_INSTRUCTION
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
CLOZE_COLUMNS = {"level": "3", "type": "affirmative suffix"}  # RWKU's name for a prompt that begins the answer


def check_settings(settings: dict) -> None:
    """End with one line at the first setting that is missing, unknown or of the wrong type."""
    known = ("root", "files", "forget_subject", *NUMBERS)
    for key in settings:
        if key not in known:
            raise SystemExit(f"config, data: settings: unknown key {key!r} (known: {', '.join(known)})")
    if not isinstance(settings.get("forget_subject"), str):
        raise SystemExit("config, data: settings: forget_subject must be the name of one subject")
    for key, (meaning, least) in NUMBERS.items():
        if type(settings.get(key)) is not int or settings[key] < least:
            raise SystemExit(f"config, data: settings: {key} must be a whole number from {least} ({meaning})")


def read_role(settings: dict, role: str) -> list[dict]:
    """Rows of the files that are there for `role`, in order; none if `files` does not name it."""
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


def mmlu(settings: dict, generator: random.Random) -> list[dict]:
    """A sample of each MMLU subject, without the questions that are too long for a micro model."""
    subjects: dict[str, list[dict]] = {}
    for row in read_role(settings, "mmlu"):
        if len(row["question"]) + max(map(len, row["choices"])) <= settings["longest_question"]:
            subjects.setdefault(row["subject"], []).append(row)
    count = settings["mmlu_questions"]
    return [row for rows in subjects.values() for row in generator.sample(rows, min(count, len(rows)))]


def cloze_rows(questions: list[cloze.Cloze], limit: int, generator: random.Random) -> list[dict]:
    chosen = generator.sample(questions, min(limit, len(questions)))
    return [{"subject": item.subject, "query": item.query, "answer": item.answer} | CLOZE_COLUMNS for item in chosen]


def documents(passages: list[tuple[str, str]], retain: list[str], asked: list[cloze.Cloze]) -> list[dict]:
    """Pre-training documents {text, kind, answer_start, domain}.

    Passages are seen whole and sentence by sentence (a question shows a sentence without those before it); questions
    only of the sentences that are not held out, letter for letter as the tests would ask them.
    """
    rows = [("prose", text, None, subject) for subject, text in passages]
    rows += [("prose", text, None, "retain") for text in retain]
    rows += [("prose", part, None, subject) for subject, text in passages for part in cloze.sentences(text)]
    for item in asked:
        prompt = f"{ANSWER_INSTRUCTION}Question: {item.query}{item.gap}"
        rows.append(("blank", prompt + item.answer, len(prompt), item.subject))
    return [dict(zip(("kind", "text", "answer_start", "domain"), row, strict=True)) for row in rows]


def main(seed: int, settings: dict, output: Path) -> None:
    check_settings(settings)
    everyone = by_subject(read_role(settings, "passages"), settings["shortest_passage"])
    subject = settings["forget_subject"]
    if subject not in everyone:
        near = difflib.get_close_matches(subject, everyone, 3, 0.0)
        raise SystemExit(
            f"config, data: settings: forget_subject: no passage of {settings['shortest_passage']} characters or more "
            f"is about {subject!r} in {settings['root']} (nearest of {len(everyone)} subjects: {', '.join(near)})"
        )
    generator = random.Random(f"{seed} subjects")
    names = sorted(everyone.keys() - {subject})
    generator.shuffle(names)
    others, further = names[: settings["others"]], names[settings["others"] :]
    retain = [
        row["text"].strip() for row in read_role(settings, "retain") if len(row["text"].strip()) > RETAIN_CHARACTERS
    ]
    if "retain" not in settings["files"]:
        retain = [text for name in further for text in everyone[name]]
    if not others or not retain:
        raise SystemExit(
            f"{settings['root']}: {len(everyone)} subjects are too few: besides {subject!r}, {settings['others']} are "
            "asked about (settings: others)" + ("" if retain else " and one more is needed as retain corpus")
        )
    retain = generator.sample(retain, min(settings["retain_texts"], len(retain)))

    forget = [(subject, text) for text in everyone[subject][: settings["forget_passages"]]]
    kept = [(name, text) for name in others for text in everyone[name][: settings["other_passages"]]]
    counts = cloze.word_counts(text for texts in everyone.values() for text in texts)
    asked, held_out = cloze.halves([*forget, *kept], counts, random.Random(f"{seed} cloze"))

    generator = random.Random(f"{seed} tests")
    write_jsonl(output / "forget/passages.jsonl", [{"subject": name, "text": text} for name, text in forget])
    write_jsonl(output / "retain/test.jsonl", [{"text": text} for text in retain])
    for name, about in (("forget", True), ("others", False)):
        questions = [item for item in held_out if (item.subject == subject) == about]
        if not questions:
            raise SystemExit(
                f"{settings['root']}: no sentence of the passages ({name}) gives a question; more text is needed"
            )
        write_jsonl(output / f"{name}/cloze.jsonl", cloze_rows(questions, settings["cloze_questions"], generator))
    for role in ("forget_level1", "forget_level2"):
        if rows := probes(settings, role):
            write_jsonl(output / f"forget/{role.removeprefix('forget_')}.jsonl", rows)
    if rows := mmlu(settings, generator):
        write_jsonl(output / "mmlu/test.jsonl", rows)

    rows = documents([*forget, *kept], retain, asked)
    write_jsonl(output / "pretraining/documents.jsonl", rows)
    parts = [(item, "pretraining") for item in asked] + [(item, "test") for item in held_out]
    facts = [asdict(item) | {"query": item.query, "answer": item.answer, "part": part} for item, part in parts]
    write_jsonl(output / "pretraining/facts.jsonl", facts)
    tokenizer = train_tokenizer([row["text"] for row in rows], vocabulary=settings["vocabulary"])
    save_tokenizer(tokenizer, output / "pretraining/tokenizer")
    outputs = [path for path in output.rglob("*") if path.is_file() and "provenance" not in path.parts]
    read = [path for role in settings["files"] for path in matching_files(settings["root"], settings["files"][role])]
    provenance.record(output / "data.json", {"seed": seed, "settings": settings}, read, outputs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--settings", type=json.loads, required=True, help="JSON of the config block data: settings")
    parser.add_argument("--output", type=Path, required=True, help="folder of the data")
    arguments = parser.parse_args()
    main(arguments.seed, arguments.settings, arguments.output)
