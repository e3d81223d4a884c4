"""Scope `baseline`: the unmodified methods (UOE, Tables 1 and 2)."""

TRAINS = "every parameter"
CHOOSES_EXPERTS = False
SELECTION_SETTINGS = ()
OTHER_LAYERS = None


def prepare(model, layers, selection, settings) -> None:
    model.requires_grad_(True)
