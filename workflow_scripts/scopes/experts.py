"""Scope `experts`: UOE, Table 1, row "Experts"."""

TRAINS = "every routed expert"
CHOOSES_EXPERTS = False
SELECTION_SETTINGS = ()
OTHER_LAYERS = None


def prepare(model, layers, selection, settings) -> None:
    for layer in layers:
        model.get_submodule(layer.experts).requires_grad_(True)
