"""Scope `esft`: in every layer the experts that ESFT's rule selects (arXiv 2407.01906, section 3.2)."""

from moe.selection import cumulative

TRAINS = "in every MoE layer the most relevant experts; all routers stay frozen"
CHOOSES_EXPERTS = True
SELECTION_SETTINGS = ("threshold", "score")
OTHER_LAYERS = None


def select(affinity: dict, settings: dict, seed: int) -> dict:
    """ESFT's cumulative choice in every layer (arXiv 2407.01906, section 3.2)."""
    for key in SELECTION_SETTINGS:
        if key not in settings:
            raise SystemExit(f"{key} is missing")
    if not 0.0 < settings["threshold"] <= 1.0:
        raise SystemExit(f"threshold {settings['threshold']:g} must lie in (0, 1]")
    if settings["score"] not in ("token", "gate"):
        raise SystemExit(f"score {settings['score']!r} is unknown (allowed: token, gate)")
    return cumulative(affinity, threshold=settings["threshold"], score=settings["score"])


def prepare(model, layers, selection, settings) -> None:
    from moe.selected import train_selection_

    train_selection_(model, layers, selection)
