"""Texts and tests from the facts of the micro world: passages, questions, probes and pre-training documents."""

import random
from collections.abc import Sequence

from micro.drawing import Fact
from micro.relations import CYBER, GENERAL, PERSONS, RETAIN, Relation

BLANK = "___"
BLANK_INSTRUCTION = "Please complete the blank in the following question.\n"
ANSWER_INSTRUCTION = "Please briefly answer the following question.\n"


def relation_of(fact: Fact) -> Relation:
    relations = {"cyber": CYBER, "persons": PERSONS, "retain": RETAIN}.get(fact.domain) or GENERAL[fact.domain]
    return next(relation for relation in relations if relation.name == fact.relation)


def passages(facts: Sequence[Fact], count: int, rng: random.Random) -> list[tuple[str, str]]:
    """`count` passages for each entity of `facts`, as (entity, text).

    A passage states every fact of its entity once, in random order. The wording rotates from a random start, so that
    over four passages each fact appears in all of its wordings.
    """
    by_entity: dict[str, list[Fact]] = {}
    for fact in facts:
        by_entity.setdefault(fact.entity, []).append(fact)
    result = []
    for entity, own in by_entity.items():
        starts = [rng.randrange(4) for _ in own]
        for number in range(count):
            sentences = []
            for fact, start in zip(own, starts, strict=True):
                wordings = relation_of(fact).prose
                sentences.append(wordings[(start + number) % len(wordings)].format(e=fact.entity, v=fact.value))
            rng.shuffle(sentences)
            result.append((entity, " ".join(sentences)))
    return result


def four_options(facts: Sequence[Fact], rng: random.Random) -> list[tuple[list[str], int]]:
    """Four options and the right one's position for each of `facts` (of one relation, all values different).

    Every value is a wrong option of exactly three questions; every position is the right one equally often (give or
    take one when the number of facts is no multiple of four).
    """
    values = [fact.value for fact in facts]
    columns = [values]
    while len(columns) < 4:
        shuffled = rng.sample(values, len(values))
        if all(shuffled[i] not in [column[i] for column in columns] for i in range(len(values))):
            columns.append(shuffled)
    right = [i % 4 for i in range(len(values))]
    rng.shuffle(right)
    result = []
    for i, position in enumerate(right):
        options = [column[i] for column in columns[1:]]
        rng.shuffle(options)
        options.insert(position, values[i])
        result.append((options, position))
    return result


def few_options(facts: Sequence[Fact], pool: Sequence[str], rng: random.Random) -> list[tuple[list[str], int]]:
    """As `four_options` for fewer than four facts (the validation split): the wrong options come from `pool`."""
    result = []
    for fact in facts:
        options = rng.sample([value for value in pool if value != fact.value], 3)
        position = rng.randrange(4)
        options.insert(position, fact.value)
        result.append((options, position))
    return result


def multiple_choice(facts: Sequence[Fact], part: str, rng: random.Random) -> list[dict]:
    """Rows {question, subject, choices, answer} on the facts of one domain that belong to `part`, shuffled."""
    rows = []
    for relation in dict.fromkeys(relation_of(fact) for fact in facts):
        asked = [fact for fact in facts if fact.relation == relation.name and fact.part == part]
        pool = sorted({fact.value for fact in facts if fact.relation == relation.name})
        for wording in relation.questions:
            options = few_options(asked, pool, rng) if len(asked) < 8 else four_options(asked, rng)
            for fact, (choices, answer) in zip(asked, options, strict=True):
                question = wording.format(e=fact.entity)
                rows.append({"question": question, "subject": fact.domain, "choices": choices, "answer": answer})
    rng.shuffle(rows)
    return rows


def blank_queries(fact: Fact) -> list[str]:
    """The fact's first two prose wordings with the value blanked out."""
    return [wording.format(e=fact.entity, v=BLANK) for wording in relation_of(fact).prose[:2]]


def question_queries(fact: Fact) -> list[str]:
    return [wording.format(e=fact.entity) for wording in relation_of(fact).questions]


def person_probes(facts: Sequence[Fact], level: int, rng: random.Random) -> list[dict]:
    """RWKU rows on held-out facts: level 1 fill-in-the-blank, level 2 questions."""
    queries, kind = (blank_queries, "cloze") if level == 1 else (question_queries, "simple question")
    rows = []
    for fact in facts:
        if fact.part == "test":
            for query in queries(fact):
                row = {"subject": fact.entity, "query": query, "answer": fact.value}
                rows.append(row | {"level": str(level), "type": kind})
    rng.shuffle(rows)
    return rows


def question_prompt(question: str) -> str:
    """The prompt of a multiple-choice test (an option follows after one space)."""
    return f"Question: {question}\nAnswer:"


def documents(facts: Sequence[Fact], count: int, rng: random.Random) -> list[dict]:
    """Pre-training documents {text, kind, answer_start, domain, group}: `count` passages an entity, questions, blanks.

    Questions and blanks cover only facts of part "pretraining", in the exact words of the tests.
    """
    rows = []
    kept = {fact.entity: {"domain": fact.domain, "group": fact.group} for fact in facts}
    for entity, text in passages(facts, count, rng):
        rows.append({"text": text, "kind": "prose", "answer_start": None} | kept[entity])
    for fact in facts:
        if fact.part != "pretraining":
            continue
        person = fact.domain == "persons"
        prompts = [("qa", question_prompt(query)) for query in question_queries(fact)]
        if person:
            prompts = [(kind, ANSWER_INSTRUCTION + prompt) for kind, prompt in prompts]
            prompts += [("blank", BLANK_INSTRUCTION + question_prompt(query)) for query in blank_queries(fact)]
        for kind, prompt in prompts:
            text = f"{prompt} {fact.value}"
            rows.append({"text": text, "kind": kind, "answer_start": len(prompt) + 1} | kept[fact.entity])
    return rows
