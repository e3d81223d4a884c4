"""Scope `random`: the control of UOE (Table 6), with a randomly drawn expert in place of the selected one."""

from moe.selection import random_expert

TRAINS = "a random other expert of the target layer and the layer's router"
CHOOSES_EXPERTS = True
SELECTION_SETTINGS = ("draw", "elsewhere")
OTHER_LAYERS = ("elsewhere",)


def select(affinity: dict, settings: dict, seed: int) -> dict:
    """A random other expert of the target layer (UOE, Table 6)."""
    return random_expert(affinity, seed=seed, draw=settings["draw"], elsewhere=settings.get("elsewhere", False))


def prepare(model, layers, selection, settings) -> None:
    from moe.selected import train_selection_

    train_selection_(model, layers, selection)
