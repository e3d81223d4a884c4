"""Draw fictional facts so that nothing but knowledge answers a test.

For a relation with n entities a pool of n/2 values is used: among the n/2 facts that may be asked about in pre-training
each value is right once, and among the n/2 held-out facts each value is right once again. In a test each value is
therefore right in exactly one of the four questions that offer it (for each wording), and each position holds the right
option equally often.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from micro.relations import Relation

CONSONANTS, VOWELS, CODAS = "bdfgklmnprstvz", "aeiou", ("", "", "l", "m", "n", "r", "s", "x")


@dataclass(frozen=True)
class Fact:
    """One statement.

    `part` is "pretraining" (may be asked about in pre-training), "test", "validation", or "prose" (never asked).
    `group` of a person is "target" (to be forgotten) or "neighbour"; of other entities "".
    """

    domain: str
    relation: str
    entity: str
    value: str
    part: str
    group: str = ""


def invent_names(count: int, rng: random.Random, forbidden: set[str]) -> list[str]:
    """`count` names of two invented words; no word is used twice, whatever the case, and none is in `forbidden`.

    Models of this size learnt one-word names, and names that share a word, several times more slowly.
    """
    used = {word.lower() for word in forbidden}
    words: list[str] = []
    while len(words) < 2 * count:
        syllables = [rng.choice(CONSONANTS) + rng.choice(VOWELS) for _ in range(2)]
        word = "".join(syllables) + rng.choice(CODAS)
        if word not in used:
            used.add(word)
            words.append(word.capitalize())
    return [f"{first} {second}" for first, second in zip(words[::2], words[1::2], strict=True)]


def draw_facts(
    domain: str,
    relations: Sequence[Relation],
    entities: Sequence[str],
    rng: random.Random,
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
        rng.shuffle(order)
        pool = rng.sample(relation.values, half)
        order = sorted(order, key=lambda entity: (entities.index(entity) + column) % 2)
        for held_out in (False, True):
            chosen = order[half:] if held_out else order[:half]
            for place, (entity, value) in enumerate(zip(chosen, rng.sample(pool, half), strict=True)):
                part = "prose" if not relation.questions else "pretraining"
                if held_out and relation.questions:
                    part = "validation" if place < validation else "test"
                table[entity, relation.name] = Fact(domain, relation.name, entity, value, part, group)
    return [table[entity, relation.name] for entity in entities for relation in relations]
