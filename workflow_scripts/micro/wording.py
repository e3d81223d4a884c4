"""Texts and tests from the facts of the micro world: passages, questions, probes and pre-training documents."""

import math
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


def option_sets(count: int, rng: random.Random) -> list[list[int]]:
    """count / 2 sets of four of `count` places (even, at least 4), in random order; every place stands in two sets.

    All sets differ, but for four places.
    """
    different = min(count // 2, math.comb(count, 4))
    while True:
        places = [place for _ in range(2) for place in rng.sample(range(count), count)]
        sets = [places[start : start + 4] for start in range(0, len(places), 4)]
        if all(len(set(four)) == 4 for four in sets) and len(set(map(frozenset, sets))) == different:
            return sets


def asked_together(facts: Sequence[Fact], rng: random.Random) -> list[tuple[Fact, list[str], int]]:
    """(fact, four options, the right one's position): each of `facts` (of one relation, all values different) twice.

    Four facts that are asked together offer their four values as options, so each value is the right one of one of
    their four questions, and so is each position. A model that prefers values or positions therefore scores exactly
    one quarter, whatever it prefers.
    """
    result = []
    for four in option_sets(len(facts), rng):
        for place, position in zip(four, rng.sample(range(4), 4), strict=True):
            options = [facts[other].value for other in four if other != place]
            rng.shuffle(options)
            options.insert(position, facts[place].value)
            result.append((facts[place], options, position))
    return result


def multiple_choice(facts: Sequence[Fact], part: str, rng: random.Random) -> list[dict]:
    """Rows {question, subject, choices, answer, fact, half} on the facts of one domain that belong to `part`, shuffled.

    Options are values that are right in the same half. Where a relation has an odd number of facts in a half, the last
    one is not asked.
    """
    groups: dict[tuple[str, str], list[Fact]] = {}
    for fact in facts:
        if fact.part == part:
            groups.setdefault((fact.relation, fact.half), []).append(fact)
    rows = []
    for group in groups.values():
        even = group[: len(group) // 2 * 2]
        for wording in relation_of(group[0]).questions:
            for fact, choices, answer in asked_together(even, rng):
                row = {"question": wording.format(e=fact.entity), "subject": fact.domain}
                rows.append(row | {"choices": choices, "answer": answer} | fact.columns)
    rng.shuffle(rows)
    return rows


def blank_queries(fact: Fact) -> list[str]:
    """The fact's prose wordings with the value blanked out."""
    return [wording.format(e=fact.entity, v=BLANK) for wording in relation_of(fact).prose]


def question_queries(fact: Fact) -> list[str]:
    return [wording.format(e=fact.entity) for wording in relation_of(fact).questions]


def person_probes(facts: Sequence[Fact], level: int, wordings: int, rng: random.Random) -> list[dict]:
    """RWKU rows on held-out facts in their first `wordings` forms: level 1 fill-in-the-blank, level 2 questions."""
    queries, kind = (blank_queries, "cloze") if level == 1 else (question_queries, "simple question")
    rows = []
    for fact in facts:
        if fact.part == "test":
            for query in queries(fact)[:wordings]:
                row = {"subject": fact.entity, "query": query, "answer": fact.value}
                rows.append(row | {"level": str(level), "type": kind} | fact.columns)
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
