"""Scope `routers`: UOE, Table 1, row "Router"."""

TRAINS = "every router"
CHOOSES_EXPERTS = False
SELECTION_SETTINGS = ()
OTHER_LAYERS = None


def prepare(model, layers, selection, settings) -> None:
    for layer in layers:
        model.get_submodule(layer.router).requires_grad_(True)
