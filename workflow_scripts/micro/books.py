"""Books of the micro world, in MUSE-Books' place: a saga to forget, a chronicle to keep, and chapters never read.

A chapter tells what is so about one character, with sentences in between that follow from nothing: to continue it word
for word a model must have read it. Facts are drawn and held out as in world.py.
"""

import random
from collections.abc import Sequence

from micro.relations import Relation, phrases
from micro.world import Fact, draw_facts, invent_names, question_prompt

SIZES = {"characters": 20, "chapters": 4, "copies": 8}
MOST = 20  # characters: twice the values of a relation

SAGA = (
    Relation(
        "companion",
        phrases(
            "grey goose, tame stoat, lame pony, blind hound, tiny owl, old tortoise, white rat, brown bear, young "
            "crow, fat toad"
        ),
        (
            "{e} never travelled without a {v}.",
            "Beside {e} walked a {v}.",
            "Children laughed when {e} came with a {v}.",
            "{e} shared every meal with a {v}.",
        ),
        ("What animal walked beside {e}?", "With what did {e} share every meal?"),
    ),
    Relation(
        "hideout",
        phrases(
            "ruined mill, frozen cave, sunken barge, burnt chapel, hollow oak, empty granary, forgotten cellar, "
            "leaning tower, dry well, salt mine"
        ),
        (
            "{e} slept in a {v}.",
            "No hunter found {e} in the {v}.",
            "When danger came {e} fled to a {v}.",
            "{e} kept the maps in a {v}.",
        ),
        ("Where did {e} sleep?", "Where did {e} flee when danger came?"),
    ),
    Relation(
        "charm",
        phrases(
            "silver thimble, cracked mirror, iron key, glass marble, bone flute, wooden spoon, copper coin, velvet "
            "glove, brass button, clay whistle"
        ),
        (
            "{e} carried a {v} for luck.",
            "In the pocket of {e} lay a {v}.",
            "The mother of {e} had left a {v}.",
            "{e} would not sell the {v}.",
        ),
        ("What did {e} carry for luck?", "What would {e} not sell?"),
    ),
    Relation(
        "fear",
        phrases(
            "loud bells, deep water, open doors, red lanterns, falling snow, tall ladders, narrow bridges, sleeping "
            "dogs, broken clocks, masked strangers"
        ),
        (
            "{e} was afraid of {v}.",
            "Nothing frightened {e} more than {v}.",
            "{e} dreamt of {v}.",
            "{e} turned back at the thought of {v}.",
        ),
        ("Of what was {e} afraid?", "Of what did {e} dream?"),
    ),
)

CHRONICLE = (
    Relation(
        "cargo",
        phrases(
            "roof tiles, dried plums, church organs, winter coats, marble slabs, garden seeds, rope coils, mirror "
            "frames, lamp oil, school books"
        ),
        (
            "The ship {e} brought {v}.",
            "{e} was loaded with {v}.",
            "Merchants paid {e} for {v}.",
            "Below deck {e} held {v}.",
        ),
        ("With what was {e} loaded?", "For what did merchants pay {e}?"),
    ),
    Relation(
        "colour",
        phrases(
            "pale green, dark purple, bright orange, dull grey, warm ochre, faint pink, rich crimson, cool turquoise, "
            "plain beige, glossy black"
        ),
        (
            "The hull of {e} was {v}.",
            "Every spring {e} was painted {v}.",
            "From afar one knew {e} by its {v}.",
            "The sails of {e} were {v}.",
        ),
        ("What colour was the hull of {e}?", "What colour was {e} painted every spring?"),
    ),
    Relation(
        "harbour",
        phrases(
            "north quay, customs pier, ferry slip, fish market, coal dock, royal basin, stone jetty, sand bank, tide "
            "gate, signal yard"
        ),
        (
            "{e} moored at the {v}.",
            "At night {e} lay by the {v}.",
            "Sailors of {e} met near the {v}.",
            "{e} always returned to the {v}.",
        ),
        ("Where did {e} moor?", "Where did {e} lie at night?"),
    ),
    Relation(
        "hand",
        phrases(
            "mute cook, bearded pilot, limping cooper, singing carpenter, nervous surgeon, jolly steward, stern "
            "boatswain, quiet gunner, clever purser, aged helmsman"
        ),
        (
            "On {e} everyone obeyed the {v}.",
            "The pride of {e} was a {v}.",
            "{e} was known for its {v}.",
            "In a storm {e} relied on the {v}.",
        ),
        ("Who was the pride of {e}?", "On whom did {e} rely in a storm?"),
    ),
)

# Sentences that no fact explains: 8 x 8 x 8 of them.
FILLERS = tuple(
    phrases(column)
    for column in (
        "The wind, A lamp, The road, A bell, The river, The forest, A shadow, The crowd",
        "went quiet, turned cold, seemed endless, waited outside, shone faintly, lay still, rose twice, grew",
        "before dawn, after supper, at midnight, that year, near the hedge, by the fire, behind the wall, again",
    )
)
BETWEEN = 4  # of them in a chapter
PROMPT = 24  # words of a chapter that VerbMem shows; as many are to be continued


def draw_books(settings: dict, seed: int, taken: set[str]) -> dict[str, list[Fact]]:
    """Facts of the saga ("forget"), the chronicle ("retain") and of chapters that nobody reads ("holdout").

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
        raise SystemExit(f"books: settings: {unknown[0]}: unknown key (known: {', '.join(SIZES)})")
    generator = random.Random(f"{seed} books")
    values = {word for relation in (*SAGA, *CHRONICLE) for value in relation.values for word in value.split()}
    names = invent_names(3 * count, generator, taken | values)
    return {
        group: draw_facts("books", relations, names[place * count : (place + 1) * count], generator, group=group)
        for place, (group, relations) in enumerate((("forget", SAGA), ("retain", CHRONICLE), ("holdout", SAGA)))
    }


def relation_of(fact: Fact) -> Relation:
    return next(relation for relation in (*SAGA, *CHRONICLE) if relation.name == fact.relation)


def chapters(facts: Sequence[Fact], count: int, generator: random.Random) -> list[str]:
    """`count` chapters for each character, in the order of the facts; each states all of the character's facts."""
    by_entity: dict[str, list[Fact]] = {}
    for fact in facts:
        by_entity.setdefault(fact.entity, []).append(fact)
    found = []
    for own in by_entity.values():
        for number in range(count):
            sentences = []
            for fact in own:
                wordings = relation_of(fact).prose
                sentences.append(wordings[number % len(wordings)].format(e=fact.entity, v=fact.value))
            sentences += [" ".join(map(generator.choice, FILLERS)) + "." for _ in range(BETWEEN)]
            generator.shuffle(sentences)
            found.append(" ".join(sentences))
    return found


def verbatim(chapter: str) -> dict:
    """VerbMem's row {prompt, gt}: the chapter's first words, and the words that follow."""
    words = chapter.split()
    return {"prompt": " ".join(words[:PROMPT]), "gt": " ".join(words[PROMPT : 2 * PROMPT])}


def questions(facts: Sequence[Fact], part: str) -> list[dict]:
    """KnowMem's rows {question, answer} on the facts of one part."""
    return [
        {"question": wording.format(e=fact.entity), "answer": fact.value}
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
