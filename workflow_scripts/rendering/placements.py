"""Rows of version 2's tables on where several trained experts lie."""

from evidence.study import Study
from rendering import labels
from rendering.scores import Row, rows_of

# Scope -> (placement, experts) as version 2 prints them in its Tables 2 and 7.
PLACEMENTS = {
    "uoe": ("same-layer", "1"),
    "uoe-3-experts": ("same-layer", "3"),
    "uoe-6-experts": ("same-layer", "6"),
    "uoe-shared": ("same-layer", "1+shared"),
    "uoe-3-anywhere": ("different-layers", "3"),
    "uoe-6-anywhere": ("different-layers", "6"),
}
NOTE = "Published: version 2 of the paper. It names 4 shared experts for both models; DeepSeek-V2-Lite has 2."


def rows_by_placement(study: Study, published_in: str) -> list[Row]:
    def keys(method: str, scope: str) -> dict:
        if scope not in PLACEMENTS:
            raise SystemExit(f"config, tables: scopes: {scope!r} has no printed placement ({', '.join(PLACEMENTS)})")
        placement, experts = PLACEMENTS[scope]
        return {"method": method, "placement": placement, "experts": experts}

    return rows_of(study, published_in, lambda method, scope: labels.scope(scope), keys=keys)
