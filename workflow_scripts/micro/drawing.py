"""Draw fictional facts so that nothing but knowledge answers a test.

For a relation with n entities, n/2 facts may be asked about in pre-training and n/2 are held out, half of them for each
half of the test. Either a pool of n/2 values is used, each right once among the facts of pre-training and once among
those held out (multiple choice: `wording.multiple_choice` balances the options within each half), or a pool of n/4
values, each right once in each half of the test (answers in free text, where a model may say one value always: it then
scores the same in both halves).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.halves import HALVES
from micro.relations import Relation

CONSONANTS, VOWELS, CODAS = "bdfgklmnprstvz", "aeiou", ("", "", "l", "m", "n", "r", "s", "x")


@dataclass(frozen=True)
class Fact:
    """One statement.

    `part` is "pretraining" (may be asked about in pre-training), "test", or "prose" (never asked). `half` of a tested
    fact is the half of the test that all its questions belong to; "" for other facts. `group` of a person is "target"
    (to be forgotten) or "neighbour"; of other entities "".
    """

    domain: str
    relation: str
    entity: str
    value: str
    part: str
    half: str = ""
    group: str = ""

    @property
    def columns(self) -> dict[str, str]:
        """The columns of a test's rows that say which fact is asked, and its half."""
        return {"fact": f"{self.entity} {self.relation}", "half": self.half}


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
    times: int = 1,
    group: str = "",
) -> list[Fact]:
    """Facts of one domain, ordered by entity, then relation; half of each relation's facts are held out.

    Held-out facts alternate over (entity, relation), so that every entity is asked about in pre-training, but on
    other facts. Each value is right `times` times (1 or 2) among them; the number of entities is a multiple of twice
    that. Relations without question forms give facts of part "prose".
    """
    count = len(entities) // 2
    table: dict[tuple[str, str], Fact] = {}
    for column, relation in enumerate(relations):
        order = list(entities)
        rng.shuffle(order)
        pool = rng.sample(relation.values, count // times)
        order = sorted(order, key=lambda entity: (entities.index(entity) + column) % 2)
        for held_out in (False, True):
            chosen = order[count:] if held_out else order[:count]
            values = [value for _ in range(times) for value in rng.sample(pool, len(pool))]
            for place, (entity, value) in enumerate(zip(chosen, values, strict=True)):
                part, half = "prose" if not relation.questions else "pretraining", ""
                if held_out and relation.questions:
                    part, half = "test", HALVES[place >= count // 2]
                table[entity, relation.name] = Fact(domain, relation.name, entity, value, part, half, group)
    return [table[entity, relation.name] for entity in entities for relation in relations]
