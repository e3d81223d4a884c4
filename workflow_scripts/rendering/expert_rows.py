"""Rows of tables on how many experts train, and where they lie."""

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


def rows_by_experts(study: Study, one_layer: str, several: str) -> list[Row]:
    """A row a scope, named by what the selections hold. one_layer, several: where the papers print it."""
    rows = []
    for method, scope in study.rows():
        experts, layers = trained_experts(study, scope)
        place = "one layer" if layers == 1 else f"{layers} layers"
        label = f"{experts} expert{'s' if experts > 1 else ''}, {place}"
        source, keys = one_layer if layers == 1 else several, {"method": method, "experts": str(experts)}
        if study.settings["scopes"][scope].get("shared"):  # version 2 alone has it
            label, source, keys["experts"] = f"{label}, and its shared experts", several, f"{experts}+shared"
        if source.startswith("v2_"):  # version 2 prints both
            keys["placement"] = "same-layer" if layers == 1 else "different-layers"
        rows.append(Row(label, method, scope, method, source, keys))
    return rows


def trained_experts(study: Study, scope: str) -> tuple[int, int]:
    """(experts, layers) that a scope trains, which must be the same in every model, benchmark and seed of a row."""
    selections = [study.selection(*place, scope, seed) for place in study.places() for seed in study.seeds]
    counts = {(sum(map(len, selection.values())), len(selection)) for selection in selections}
    if len(counts) != 1:
        wrong = f"scope {scope!r} trains different numbers of (experts, layers): {sorted(counts)}"
        raise SystemExit(f"{wrong}; one row needs one")
    return counts.pop()


def rows_by_placement(study: Study, published_in: str) -> list[Row]:
    """A row a scope, named by version 2's placement and number of experts."""

    def keys(method: str, scope: str) -> dict:
        if scope not in PLACEMENTS:
            raise SystemExit(f"config, tables: scopes: {scope!r} has no printed placement ({', '.join(PLACEMENTS)})")
        placement, experts = PLACEMENTS[scope]
        return {"method": method, "placement": placement, "experts": experts}

    return rows_of(study, published_in, lambda method, scope: labels.scope(scope), keys=keys)
