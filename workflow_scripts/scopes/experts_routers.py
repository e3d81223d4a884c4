"""Scope `experts_routers`: the experts and the routers together."""

from scopes import experts, routers

TRAINS = "every routed expert and every router"
CHOOSES_EXPERTS = False
SELECTION_SETTINGS = ()
OTHER_LAYERS = None


def prepare(model, layers, selection, settings) -> None:
    experts.prepare(model, layers, selection, settings)
    routers.prepare(model, layers, selection, settings)
