"""Utility at FA ~ 0.25 by the affinity rank of the layer whose top expert trains (both from affinity.json)."""

from evidence import published
from evidence.study import Study
from rendering.scores import Row, score_table
from rendering.table import Table, mean_value

TITLE = "Table 7. Utility at FA ≈ 0.25 by the affinity rank of the trained layer (UOE, gradient ascent)"
CAPTION = """**Table 7.** Utility at FA ≈ 0.25 when the trained expert lies in the layer of affinity rank 1, 2, 3, …:
the whole sweep over the model's MoE layers, with each layer's index and affinity."""
READS = ("CHOSEN", "SELECTION", "AFFINITY", "RETRAINED")
NOTE = "Affinity: mean gate score of the layer's top expert on the forget set; Layer: its index in the model."


def table(study: Study) -> Table:
    rows, beside = [], []
    for method, scope in study.rows():
        trained = {p: [trained_layer(study, p, scope, seed) for seed in study.seeds] for p in study.places()}
        ranks = sorted({rank for of_place in trained.values() for _, rank, _ in of_place})
        label = "/".join(f"#{rank}" for rank in ranks)
        keys = {"layer_rank": str(ranks[0]) if len(ranks) == 1 else "none"}
        rows.append(Row(label, method, scope, method, "table7", keys))
        for (model, benchmark), of_place in trained.items():
            layers = ", ".join(str(layer) for layer in dict.fromkeys(layer for layer, _, _ in of_place))
            printed = study.printed("table7", "affinity", model=study.stands_for(model), benchmark=benchmark, **keys)
            common = {"row": label, "model": model, "benchmark": benchmark, "method": method, "scope": scope}
            beside.append(common | {"quantity": "Layer", "text": layers})
            affinity = mean_value("Affinity", [value for _, _, value in of_place])
            beside.append(common | affinity | {"published": printed})
    unmatched = unmatched_ranks(study, {row.published_keys["layer_rank"] for row in rows})
    return score_table(study, TITLE, "Layer rank", rows, [NOTE, *unmatched], beside)


def trained_layer(study: Study, place: tuple, scope: str, seed: int) -> tuple[int, int, float]:
    """(layer index, its rank by top-1 affinity, affinity of the trained expert) of a scope that trains one layer."""
    chosen = study.selection(*place, scope, seed)
    layers = study.affinity(*place, seed)["layers"]
    if len(chosen) != 1 or not set(chosen) <= set(layers):
        wrong = f"table7: scope {scope!r} of {place[0]} trains layers {sorted(chosen)}"
        raise SystemExit(f"{wrong}; one MoE layer of {sorted(layers)} is expected")
    layer, experts = next(iter(chosen.items()))
    top = {index: max(values["gate_score"]) for index, values in layers.items()}
    rank = 1 + sorted(top, key=lambda index: (-top[index], index)).index(layer)
    return layer, rank, layers[layer]["gate_score"][experts[0]]


def unmatched_ranks(study: Study, shown: set[str]) -> list[str]:
    """A note on the published ranks that the study does not train."""
    frame = published.read(study.published_folder, "table7")
    real = {study.stands_for(model) for model in study.block["models"]}
    rest = frame[frame["model"].isin(real) & ~frame["layer_rank"].isin(shown)]
    if rest.empty:
        return []
    listed = "; ".join(f"#{row.layer_rank} affinity {row.affinity}, UT {row.utility}" for row in rest.itertuples())
    return [f"Published ranks without a counterpart here: {listed}."]
