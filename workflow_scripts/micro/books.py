"""Generated books in place of MUSE-Books: a saga to forget, a chronicle to keep, and chapters not trained on.

A chapter states the facts about one character, mixed with sentences that nothing predicts: only a model that has read
it can continue it word for word. Facts are drawn and held out as in drawing.py.
"""

import random
from collections.abc import Sequence
from pathlib import Path

from jobs.files import read_jsonl, write_jsonl
from micro.drawing import Fact, draw_facts, invent_names
from micro.relations import CHRONICLE, FILLERS, SAGA, Relation
from micro.tokenizer import save_tokenizer, train_tokenizer
from micro.wording import question_prompt

SIZES = {"characters": 20, "chapters": 4, "copies": 8}
MOST = 20  # characters: twice the values of a relation
EXAMPLES = 5  # questions of the icl splits
FOLDERS = ("muse-books", "pretraining-books")  # written here alone

BETWEEN = 4  # of them in a chapter
PROMPT = 24  # words of a chapter that VerbMem shows; as many are to be continued


def draw_books(settings: dict, seed: int, taken: set[str]) -> dict[str, list[Fact]]:
    """Facts of the saga ("forget"), the chronicle ("retain") and of the chapters that are not trained on ("holdout").

    taken: words that no new name may use. Ends with one line on a size that the pools of values do not allow.
    """
    count = settings["characters"]
    if type(count) is not int or count % 2 or not 4 <= count <= MOST:
        raise SystemExit(f"books: settings: characters: {count!r} is not an even number from 4 to {MOST}")
    for key in ("chapters", "copies"):
        if type(settings[key]) is not int or settings[key] < 1:
            raise SystemExit(f"books: settings: {key}: {settings[key]!r} is not a positive number")
    unknown = sorted(set(settings) - set(SIZES))
    if unknown:
        raise SystemExit(f"books: settings: {unknown[0]}: unknown key (allowed: {', '.join(SIZES)})")
    rng = random.Random(f"{seed} books")
    values = {word for relation in (*SAGA, *CHRONICLE) for value in relation.values for word in value.split()}
    names = invent_names(3 * count, rng, taken | values)
    return {
        group: draw_facts("books", relations, names[place * count : (place + 1) * count], rng, group=group)
        for place, (group, relations) in enumerate((("forget", SAGA), ("retain", CHRONICLE), ("holdout", SAGA)))
    }


def relation_of(fact: Fact) -> Relation:
    return next(relation for relation in (*SAGA, *CHRONICLE) if relation.name == fact.relation)


def chapters(facts: Sequence[Fact], count: int, rng: random.Random) -> list[str]:
    """`count` chapters for each character, in the order of the facts; each states all of the character's facts."""
    by_entity: dict[str, list[Fact]] = {}
    for fact in facts:
        by_entity.setdefault(fact.entity, []).append(fact)
    texts = []
    for own in by_entity.values():
        for number in range(count):
            sentences = []
            for fact in own:
                wordings = relation_of(fact).prose
                sentences.append(wordings[number % len(wordings)].format(e=fact.entity, v=fact.value))
            sentences += [" ".join(map(rng.choice, FILLERS)) + "." for _ in range(BETWEEN)]
            rng.shuffle(sentences)
            texts.append(" ".join(sentences))
    return texts


def verbatim(chapter: str) -> dict:
    """VerbMem's row {prompt, gt}: the chapter's first words, and the words that follow."""
    words = chapter.split()
    return {"prompt": " ".join(words[:PROMPT]), "gt": " ".join(words[PROMPT : 2 * PROMPT])}


def questions(facts: Sequence[Fact], part: str) -> list[dict]:
    """KnowMem's rows {question, answer} on the facts of one part; of tested facts also {fact, half}."""
    return [
        {"question": wording.format(e=fact.entity), "answer": fact.value} | (fact.columns if fact.half else {})
        for fact in facts
        if fact.part == part
        for wording in relation_of(fact).questions
    ]


def documents(facts: Sequence[Fact], texts: list[str], copies: int) -> list[dict]:
    """Pre-training documents of a book: every chapter `copies` times, and questions on what is not held out."""
    kept = {"domain": "books", "group": facts[0].group}
    rows = [{"text": text, "kind": "prose", "answer_start": None} | kept for text in texts for _ in range(copies)]
    for row in questions(facts, "pretraining"):
        prompt = question_prompt(row["question"])
        text = f"{prompt} {row['answer']}"
        rows.append({"text": text, "kind": "qa", "answer_start": len(prompt) + 1} | kept)
    return rows


def build(settings: dict, seed: int, data: Path) -> tuple[list[Path], list[Path]]:
    """Write the books into `data`, beside what is there; returns the files read and written. settings: as SIZES."""
    read = [data / "pretraining/documents.jsonl", data / "pretraining/facts.jsonl"]
    rows = read_jsonl(read[0], ("text", "kind", "answer_start", "domain", "group"))
    other_facts = read_jsonl(read[1], ("entity", "value"))
    taken = {word for fact in other_facts for key in ("entity", "value") for word in fact[key].split()}
    facts = draw_books(settings, seed, taken)
    rng = random.Random(f"{seed} chapters")
    texts = {group: chapters(own, settings["chapters"], rng) for group, own in facts.items()}
    for group in ("forget", "retain"):
        rows += documents(facts[group], texts[group], settings["copies"])
    for own in texts.values():
        rng.shuffle(own)
    write_tests(facts, texts, rng, data)
    write_jsonl(data / "pretraining-books/documents.jsonl", rows)
    names = taken | {word for own in facts.values() for fact in own for word in f"{fact.entity} {fact.value}".split()}
    save_tokenizer(train_tokenizer([row["text"] for row in rows], sorted(names)), data / "pretraining-books/tokenizer")
    return read, [path for name in FOLDERS for path in (data / name).rglob("*") if path.is_file()]


def write_tests(facts: dict[str, list[Fact]], texts: dict[str, list[str]], rng: random.Random, data: Path) -> None:
    """MUSE-Books' files; columns and splits as in the real dataset."""
    half = len(texts["retain"]) // 2
    splits = {"forget": texts["forget"], "retain1": texts["retain"][:half], "retain2": texts["retain"][half:]}
    for name, own in {**splits, "holdout": texts["holdout"]}.items():
        write_jsonl(data / f"muse-books/raw/{name}.jsonl", [{"text": text} for text in own])
    for group, own in texts.items():
        write_jsonl(data / f"muse-books/privleak/{group}.jsonl", [{"text": text} for text in own])
    write_jsonl(data / "muse-books/verbmem/forget.jsonl", [verbatim(text) for text in texts["forget"]])
    for group in ("forget", "retain"):
        asked = questions(facts[group], "pretraining")
        write_jsonl(data / f"muse-books/knowmem/{group}_qa_icl.jsonl", rng.sample(asked, EXAMPLES))
        held_out = questions(facts[group], "test")
        rng.shuffle(held_out)
        write_jsonl(data / f"muse-books/knowmem/{group}_qa.jsonl", held_out)
