"""Scope `lora`: adapters of rank `rank` (UOE, Tables 3 and 4)."""

TRAINS = "low-rank adapters on every linear layer and every routed expert"
CHOOSES_EXPERTS = False
SELECTION_SETTINGS = ()
OTHER_LAYERS = None


def prepare(model, layers, selection, settings) -> None:
    from moe.lora import attach_lora

    attach_lora(model, settings["rank"])
