"""Scope `uoe`: UOE, section 4, Algorithm 1. The anchor loss (eq. 3) is in unlearning/anchor.py."""

from moe.selection import top_anywhere, top_experts

TRAINS = "the selected experts and the routers of their layers"
CHOOSES_EXPERTS = True
SELECTION_SETTINGS = ("experts", "layers", "rank", "by", "anywhere", "frozen_router")
OTHER_LAYERS = ("layers", "rank", "anywhere", "by")


def select(affinity: dict, settings: dict, seed: int) -> dict:
    """Top experts of the target layer by gate score (UOE, section 4), or what the block varies."""
    if "anywhere" in settings:
        chosen = top_anywhere(affinity, anywhere=settings["anywhere"])
    else:
        keys = ("experts", "layers", "rank", "by")
        chosen = top_experts(affinity, **{key: settings[key] for key in keys if key in settings})
    return chosen | {"routers": [], "anchor": {}} if settings.get("frozen_router") else chosen


def prepare(model, layers, selection, settings) -> None:
    from moe.selected import train_selection_

    train_selection_(model, layers, selection)
    if settings.get("shared"):
        for layer in layers:
            if str(layer.index) in selection["experts"]:
                _train_shared_experts(model, layer)


def _train_shared_experts(model, layer) -> None:
    """Train what stands beside router and routed experts in an MoE block: the shared experts (SEUF, version 2)."""
    block = layer.experts.rpartition(".")[0]
    beside = [
        module
        for name, module in model.get_submodule(block).named_children()
        if f"{block}.{name}" not in (layer.router, layer.experts)
    ]
    shared = [module for module in beside if any(True for _ in module.parameters())]
    if not shared:
        raise SystemExit(f"scope asks for shared experts; layer {layer.index} of {type(model).__name__} has none")
    for module in shared:
        module.requires_grad_(True)
