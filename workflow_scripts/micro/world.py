"""The micro world: fictional facts, and the texts and tests that are made from them.

Facts are drawn so that nothing but knowledge answers a test. For a relation with n entities a pool of n/2 values is
used: among the n/2 facts that may be asked about in pre-training each value is right once, and among the n/2 held-out
facts each value is right once again. In a test each value is therefore right in exactly one of the four questions in
which it is an option (for each wording), and each position holds the right option equally often.
"""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from micro.general_relations import GENERAL
from micro.relations import CYBER, PERSONS, RETAIN, Relation

BLANK = "___"
BLANK_INSTRUCTION = "Please complete the blank in the following question.\n"
ANSWER_INSTRUCTION = "Please briefly answer the following question.\n"

# Sizes of the world unless the config says otherwise. Numbers of entities are even (half of the facts are held out),
# and pools of values limit them. Passages: texts about one entity in a corpus; pre-training has twice as many.
SIZES = {
    "cyber_entities": 40,
    "general_entities": 26,
    "target_persons": 20,
    "neighbour_persons": 10,
    "retain_entities": 20,
    "passages": 8,
}

CONSONANTS, VOWELS, CODAS = "bdfgklmnprstvz", "aeiou", ("", "", "l", "m", "n", "r", "s", "x")


@dataclass(frozen=True)
class Fact:
    """One statement of the world.

    `part` is "pretraining" (may be asked about in pre-training), "test", "validation", or "prose" (never asked).
    `group` tells persons apart: "target" (to be forgotten) or "neighbour"; it is "" elsewhere.
    """

    domain: str
    relation: str
    entity: str
    value: str
    part: str
    group: str = ""


def invent_names(count: int, generator: random.Random, forbidden: set[str]) -> list[str]:
    """`count` names of two invented words; no word is used twice, whatever the case, and none is in `forbidden`.

    One-word names and names that share a word were learnt several times more slowly by models of this size.
    """
    used = {word.lower() for word in forbidden}
    words: list[str] = []
    while len(words) < 2 * count:
        syllables = [generator.choice(CONSONANTS) + generator.choice(VOWELS) for _ in range(2)]
        word = "".join(syllables) + generator.choice(CODAS)
        if word not in used:
            used.add(word)
            words.append(word.capitalize())
    return [f"{first} {second}" for first, second in zip(words[::2], words[1::2], strict=True)]


def draw_facts(
    domain: str,
    relations: Sequence[Relation],
    entities: Sequence[str],
    generator: random.Random,
    validation: int = 0,
    group: str = "",
) -> list[Fact]:
    """Facts of one domain, ordered by entity, then relation; half of each relation's facts are held out.

    Held-out facts alternate over (entity, relation), so that every entity is asked about in pre-training, but on
    other facts. `validation` of the held-out facts of each relation go to the validation split. Relations without
    question forms give facts of part "prose".
    """
    half = len(entities) // 2
    table: dict[tuple[str, str], Fact] = {}
    for column, relation in enumerate(relations):
        order = list(entities)
        generator.shuffle(order)
        pool = generator.sample(relation.values, half)
        order = sorted(order, key=lambda entity: (entities.index(entity) + column) % 2)
        for held_out in (False, True):
            chosen = order[half:] if held_out else order[:half]
            for place, (entity, value) in enumerate(zip(chosen, generator.sample(pool, half), strict=True)):
                part = "prose" if not relation.questions else "pretraining"
                if held_out and relation.questions:
                    part = "validation" if place < validation else "test"
                table[entity, relation.name] = Fact(domain, relation.name, entity, value, part, group)
    return [table[entity, relation.name] for entity in entities for relation in relations]


def draw_world(settings: dict, seed: int) -> list[Fact]:
    """All facts of the world. `settings`: all keys of `SIZES`."""
    check_settings(settings)
    generator = random.Random(seed)
    sizes = [("cyber", settings["cyber_entities"])]
    sizes += [(domain, settings["general_entities"]) for domain in GENERAL]
    sizes += [("target", settings["target_persons"]), ("neighbour", settings["neighbour_persons"])]
    sizes += [("retain", settings["retain_entities"])]
    taken = {word for relation in all_relations() for value in relation.values for word in value.split()}
    names = iter(invent_names(sum(size for _, size in sizes), generator, taken))
    entities = {domain: [next(names) for _ in range(size)] for domain, size in sizes}
    facts = draw_facts("cyber", CYBER, entities["cyber"], generator)
    for domain, relations in GENERAL.items():
        facts += draw_facts(domain, relations, entities[domain], generator, validation=1)
    for group in ("target", "neighbour"):
        facts += draw_facts("persons", PERSONS, entities[group], generator, group=group)
    return facts + draw_facts("retain", RETAIN, entities["retain"], generator)


def all_relations() -> list[Relation]:
    return [*CYBER, *(relation for relations in GENERAL.values() for relation in relations), *PERSONS, *RETAIN]


def check_settings(settings: dict) -> None:
    """End with one line if a number of entities is odd, too small, or larger than its pools allow."""
    pools = {
        "cyber_entities": min(len(relation.values) for relation in CYBER),
        "general_entities": min(len(relation.values) for relations in GENERAL.values() for relation in relations),
        "target_persons": min(len(relation.values) for relation in PERSONS),
        "neighbour_persons": min(len(relation.values) for relation in PERSONS),
        "retain_entities": min(len(relation.values) for relation in RETAIN),
    }
    for key, pool in pools.items():
        size = settings.get(key)
        if type(size) is not int or size % 2 or not 10 <= size <= 2 * pool:
            raise SystemExit(f"data.settings.{key}: {size!r} is not an even number from 10 to {2 * pool}")
    passages = settings.get("passages")
    if type(passages) is not int or passages < 1:
        raise SystemExit(f"data.settings.passages: {passages!r} is not a positive number")
    unknown = sorted(set(settings) - set(pools) - {"passages"})
    if unknown:
        raise SystemExit(f"data.settings.{unknown[0]}: unknown key (known: {', '.join([*pools, 'passages'])})")


def relation_of(fact: Fact) -> Relation:
    relations = {"cyber": CYBER, "persons": PERSONS, "retain": RETAIN}.get(fact.domain) or GENERAL[fact.domain]
    return next(relation for relation in relations if relation.name == fact.relation)


def passages(facts: Sequence[Fact], count: int, generator: random.Random) -> list[tuple[str, str]]:
    """`count` passages for each entity of `facts`, as (entity, text).

    A passage states every fact of its entity once, in random order; over four passages each fact appears in all of
    its wordings, because the wording goes round from a random start.
    """
    by_entity: dict[str, list[Fact]] = {}
    for fact in facts:
        by_entity.setdefault(fact.entity, []).append(fact)
    result = []
    for entity, own in by_entity.items():
        starts = [generator.randrange(4) for _ in own]
        for number in range(count):
            sentences = []
            for fact, start in zip(own, starts, strict=True):
                wordings = relation_of(fact).prose
                sentences.append(wordings[(start + number) % len(wordings)].format(e=fact.entity, v=fact.value))
            generator.shuffle(sentences)
            result.append((entity, " ".join(sentences)))
    return result


def four_options(facts: Sequence[Fact], generator: random.Random) -> list[tuple[list[str], int]]:
    """Four options and the right one's position for each of `facts` (of one relation, all values different).

    Every value is a wrong option of exactly three questions; every position is the right one equally often (give or
    take one when the number of facts is no multiple of four).
    """
    values = [fact.value for fact in facts]
    columns = [values]
    while len(columns) < 4:
        shuffled = generator.sample(values, len(values))
        if all(shuffled[i] not in [column[i] for column in columns] for i in range(len(values))):
            columns.append(shuffled)
    right = [i % 4 for i in range(len(values))]
    generator.shuffle(right)
    result = []
    for i, position in enumerate(right):
        options = [column[i] for column in columns[1:]]
        generator.shuffle(options)
        options.insert(position, values[i])
        result.append((options, position))
    return result


def few_options(facts: Sequence[Fact], pool: Sequence[str], generator: random.Random) -> list[tuple[list[str], int]]:
    """As `four_options` for fewer than four facts (the validation split): the wrong options come from `pool`."""
    result = []
    for fact in facts:
        options = generator.sample([value for value in pool if value != fact.value], 3)
        position = generator.randrange(4)
        options.insert(position, fact.value)
        result.append((options, position))
    return result


def multiple_choice(facts: Sequence[Fact], part: str, generator: random.Random) -> list[dict]:
    """Rows {question, subject, choices, answer} on the facts of one domain that belong to `part`, shuffled."""
    rows = []
    for relation in dict.fromkeys(relation_of(fact) for fact in facts):
        asked = [fact for fact in facts if fact.relation == relation.name and fact.part == part]
        pool = sorted({fact.value for fact in facts if fact.relation == relation.name})
        for wording in relation.questions:
            options = few_options(asked, pool, generator) if len(asked) < 8 else four_options(asked, generator)
            for fact, (choices, answer) in zip(asked, options, strict=True):
                question = wording.format(e=fact.entity)
                rows.append({"question": question, "subject": fact.domain, "choices": choices, "answer": answer})
    generator.shuffle(rows)
    return rows


def blank_queries(fact: Fact) -> list[str]:
    """The fact's first two prose wordings with the value blanked out."""
    return [wording.format(e=fact.entity, v=BLANK) for wording in relation_of(fact).prose[:2]]


def question_queries(fact: Fact) -> list[str]:
    return [wording.format(e=fact.entity) for wording in relation_of(fact).questions]


def person_probes(facts: Sequence[Fact], level: int, generator: random.Random) -> list[dict]:
    """RWKU rows on held-out facts: level 1 fill-in-the-blank, level 2 questions."""
    queries, kind = (blank_queries, "cloze") if level == 1 else (question_queries, "simple question")
    rows = []
    for fact in facts:
        if fact.part == "test":
            for query in queries(fact):
                row = {"subject": fact.entity, "query": query, "answer": fact.value}
                rows.append(row | {"level": str(level), "type": kind})
    generator.shuffle(rows)
    return rows


def question_prompt(question: str) -> str:
    """What a multiple-choice test shows before an option (the option follows after one space)."""
    return f"Question: {question}\nAnswer:"


def documents(facts: Sequence[Fact], count: int, generator: random.Random) -> list[dict]:
    """Pre-training documents {text, kind, answer_start, domain, group}: `count` passages an entity, questions, blanks.

    Questions and blanks are asked only of facts of part "pretraining", letter for letter as the tests would ask them.
    """
    rows = []
    kept = {fact.entity: {"domain": fact.domain, "group": fact.group} for fact in facts}
    for entity, text in passages(facts, count, generator):
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


def fact_rows(facts: Sequence[Fact]) -> list[dict]:
    return [asdict(fact) for fact in facts]
