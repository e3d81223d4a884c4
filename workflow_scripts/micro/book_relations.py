"""What the books tell: relations of the saga and of the chronicle, and sentences between them; see relations.py."""

from micro.relations import Relation, phrases

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
