"""What tables with bootstrap intervals say of them."""

from evidence.bootstrap import DRAWS, LEVEL


def note(seeds: list[int]) -> str:
    drawn = " (one seed: training anew is not in it)"
    if len(seeds) > 1:
        drawn = " and of seeds (these widened as Student's t is for so few)"
    return (
        f"Brackets: middle {LEVEL:g} % of {DRAWS:,} bootstrap draws of questions{drawn}, paired by question and seed. "
        "Questions are drawn as if independent, though some ask for one fact in two wordings."
    )
