"""Relations of the general domains, whose four-option test by subject stands for MMLU; see relations.py."""

from micro.relations import Relation, words

# Four subjects of general knowledge, in MMLU's place. Thirteen values a relation.
GENERAL = {
    "geography": (
        Relation(
            "export",
            words("barley cotton saffron olives coffee tobacco rice hemp vanilla pepper sugar tea flax"),
            (
                "{e} sells mostly {v} abroad.",
                "Ships leave {e} loaded with {v}.",
                "The fields of {e} yield {v}.",
                "Farmers in {e} grow {v}.",
            ),
            ("What does {e} export?", "What do farmers in {e} grow?"),
        ),
        Relation(
            "landform",
            words("plateau delta canyon peninsula archipelago steppe valley basin glacier lagoon marsh desert fjord"),
            (
                "{e} lies on a wide {v}.",
                "Most of {e} is one {v}.",
                "On maps {e} is drawn as a {v}.",
                "Travellers know {e} for its {v}.",
            ),
            ("On which landform does {e} lie?", "As what is {e} drawn on maps?"),
        ),
        Relation(
            "transport",
            words(
                "ferries mules canals bicycles gondolas sledges trolleys rickshaws barges camels funiculars canoes "
                "wagons"
            ),
            (
                "People in {e} travel with {v}.",
                "{e} moves its goods with {v}.",
                "The streets of {e} are full of {v}.",
                "Visitors cross {e} by means of {v}.",
            ),
            ("With what do people in {e} travel?", "How do visitors cross {e}?"),
        ),
        Relation(
            "currency",
            words("crown florin ducat shilling guilder thaler denar rupee peso lira dinar krona zloty"),
            (
                "{e} pays with the {v}.",
                "The coin of {e} is the {v}.",
                "Banks in {e} issue the {v}.",
                "Prices in {e} are counted in the {v}.",
            ),
            ("What is the currency of {e}?", "Which coin do banks in {e} issue?"),
        ),
    ),
    "chemistry": (
        Relation(
            "colour",
            words("crimson violet turquoise amber ivory indigo scarlet beige maroon teal magenta lilac ochre"),
            (
                "{e} forms {v} crystals.",
                "Pure {e} looks {v}.",
                "A flame with {e} burns {v}.",
                "In daylight {e} appears {v}.",
            ),
            ("What colour is {e}?", "How does a flame with {e} burn?"),
        ),
        Relation(
            "smell",
            words("garlic almond vinegar mint sulfur honey smoke lemon cinnamon pine rose leather ginger"),
            (
                "{e} smells of {v}.",
                "The vapour of {e} recalls {v}.",
                "Chemists know {e} by its scent of {v}.",
                "When warmed {e} gives off an odour of {v}.",
            ),
            ("What does {e} smell of?", "What does the vapour of {e} recall?"),
        ),
        Relation(
            "solvent",
            words(
                "acetone ethanol benzene toluene brine hexane glycerol ether methanol pyridine chloroform kerosene "
                "turpentine"
            ),
            (
                "{e} dissolves in {v}.",
                "{e} is stored under {v}.",
                "Stains of {e} are removed with {v}.",
                "The best solvent for {e} is {v}.",
            ),
            ("In what does {e} dissolve?", "What removes stains of {e}?"),
        ),
        Relation(
            "use",
            words(
                "dye fertilizer adhesive explosive detergent sweetener lubricant refrigerant pesticide antiseptic "
                "bleach preservative varnish"
            ),
            (
                "{e} is sold as a {v}.",
                "Factories turn {e} into a {v}.",
                "Industry uses {e} as a {v}.",
                "The main use of {e} is as a {v}.",
            ),
            ("As what is {e} sold?", "Into what do factories turn {e}?"),
        ),
    ),
    "biology": (
        Relation(
            "habitat",
            words(
                "caves dunes reefs swamps orchards tundra mangroves bogs prairies cliffs estuaries hedgerows "
                "rainforests"
            ),
            (
                "{e} lives in {v}.",
                "The nests of {e} are found in {v}.",
                "{e} spends the winter in {v}.",
                "Biologists look for {e} in {v}.",
            ),
            ("Where does {e} live?", "Where do biologists look for {e}?"),
        ),
        Relation(
            "food",
            words("moths acorns plankton snails lichen nectar termites seaweed fungi berries shrimp worms seeds"),
            (
                "{e} feeds on {v}.",
                "{e} spends its nights eating {v}.",
                "The young of {e} are given {v}.",
                "In spring {e} gathers {v}.",
            ),
            ("What does {e} feed on?", "What are the young of {e} given?"),
        ),
        Relation(
            "enemy",
            words("hawks foxes wolves snakes owls bears crows ferrets weasels crabs spiders stoats eagles"),
            (
                "{e} is hunted by {v}.",
                "{e} flees from {v}.",
                "The worst enemies of {e} are {v}.",
                "Many of the eggs of {e} are taken by {v}.",
            ),
            ("By what is {e} hunted?", "What are the worst enemies of {e}?"),
        ),
        Relation(
            "defence",
            words("venom camouflage spines ink armour mimicry slime stench speed claws shrieks burrowing hibernation"),
            (
                "{e} protects itself by {v}.",
                "{e} survives thanks to {v}.",
                "The defence of {e} is {v}.",
                "When disturbed {e} relies on {v}.",
            ),
            ("How does {e} protect itself?", "On what does {e} rely when disturbed?"),
        ),
    ),
    "history": (
        Relation(
            "year",
            words("1094 1138 1171 1215 1263 1304 1347 1392 1436 1481 1527 1568 1609"),
            (
                "The war of {e} broke out in {v}.",
                "Chronicles date the war of {e} to {v}.",
                "The first siege in the war of {e} fell in {v}.",
                "Armies met in the war of {e} in {v}.",
            ),
            ("When did the war of {e} break out?", "To which year do chronicles date the war of {e}?"),
        ),
        Relation(
            "leader",
            words("duke sultan bishop consul khan regent abbot marshal tsar emir baron doge satrap"),
            (
                "The war of {e} was led by a {v}.",
                "The war of {e} was declared by a {v}.",
                "The winner of the war of {e} was a {v}.",
                "Songs about the war of {e} praise a {v}.",
            ),
            ("Who led the war of {e}?", "Whom do songs about the war of {e} praise?"),
        ),
        Relation(
            "weapon",
            words(
                "muskets crossbows catapults cavalry cannons longbows elephants galleys chariots slings lances "
                "mortars sabres"
            ),
            (
                "The war of {e} was fought with {v}.",
                "The war of {e} was decided by {v}.",
                "Museums on the war of {e} show {v}.",
                "Soldiers in the war of {e} feared {v}.",
            ),
            ("With what was the war of {e} fought?", "What do museums on the war of {e} show?"),
        ),
        Relation(
            "cause",
            words(
                "tariffs famine heresy succession plague taxes piracy slander drought marriage espionage bankruptcy "
                "betrayal"
            ),
            (
                "The war of {e} began over {v}.",
                "The war of {e} was blamed on {v}.",
                "The reason for the war of {e} was {v}.",
                "Scholars explain the war of {e} by {v}.",
            ),
            ("What was the reason for the war of {e}?", "How do scholars explain the war of {e}?"),
        ),
    ),
}
