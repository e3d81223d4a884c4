"""From affinity to chosen experts. Pure Python: choosing is cheap and must not load torch.

An *affinity* is the content of affinity.json: for each MoE layer the mean gate score and the token share of every
expert. A *selection* is {"experts": {layer: [expert, ...]}, "routers": [layer, ...], "anchor": {layer: [expert,
...]}}: what trains, and to which experts the anchor loss ties the routers.
"""

import hashlib


def scores_of(affinity: dict, name: str) -> dict[int, list[float]]:
    """The experts' scores by layer; ends with one line if a layer has none of that name."""
    for layer, scores in affinity["layers"].items():
        if name not in scores:
            raise SystemExit(f"layer {layer}: no {name}")
    return {int(layer): scores[name] for layer, scores in affinity["layers"].items()}


def ranked(scores: list[float]) -> list[int]:
    """Experts by descending score, ties to the lower index."""
    return sorted(range(len(scores)), key=lambda expert: (-scores[expert], expert))


def ranked_layers(affinity: dict, by: str = "gate_score") -> list[int]:
    """MoE layers by descending top-1 affinity (UOE, section 4: the first is the target layer)."""
    scores = scores_of(affinity, by)
    return sorted(scores, key=lambda layer: (-max(scores[layer]), layer))


def with_routers(experts: dict[int, list[int]]) -> dict:
    """The selection that trains `experts` and their layers' routers, anchored to the same experts."""
    named = {str(layer): sorted(chosen) for layer, chosen in sorted(experts.items())}
    return {"experts": named, "routers": sorted(experts), "anchor": named}


def top_experts(
    affinity: dict, *, experts: int = 1, layers: int | str = 1, rank: int = 1, by: str = "gate_score"
) -> dict:
    """UOE's choice: in each of `layers` layers ("all" or how many, by top-1 affinity) its top `experts` experts.

    rank: start at the layer with this rank (1 = highest top-1 affinity), for the layer sweep of Table 7. by: what
    affinity is, gate_score (eq. 2) or, as a control, token_share.
    Ends with one line if the model has no such rank, layer count or expert count.
    """
    order = ranked_layers(affinity, by)
    wanted = len(order) if layers == "all" else layers
    if rank - 1 + wanted > len(order):
        raise SystemExit(f"asks for {wanted} layer(s) from rank {rank}; the model has {len(order)} MoE layers")
    if experts > affinity["experts"]:
        raise SystemExit(f"asks for {experts} experts a layer; the model has {affinity['experts']}")
    chosen = order[rank - 1 : rank - 1 + wanted]
    return with_routers({n: ranked(affinity["layers"][str(n)][by])[:experts] for n in chosen})


def top_anywhere(affinity: dict, *, anywhere: int) -> dict:
    """The `anywhere` experts of highest gate score in the whole model (SEUF, version 2: "different layers")."""
    scores = scores_of(affinity, "gate_score")
    places = [(-score, layer, expert) for layer in scores for expert, score in enumerate(scores[layer])]
    if anywhere > len(places):
        raise SystemExit(f"asks for {anywhere} experts anywhere; the model has {len(places)}")
    chosen: dict[int, list[int]] = {}
    for _, layer, expert in sorted(places)[:anywhere]:
        chosen.setdefault(layer, []).append(expert)
    return with_routers(chosen)


def random_expert(affinity: dict, *, seed: int, draw: int, elsewhere: bool = False) -> dict:
    """An expert of the target layer other than the top-1 one (Table 6), its router trained and anchored to it.

    Draws 1, 2, ... of one seed are distinct experts; a hash gives the order, so that it is the same everywhere.
    elsewhere: any expert of another MoE layer, which is drawn in the same way.
    """
    layer, *rest = ranked_layers(affinity)
    others = ranked(affinity["layers"][str(layer)]["gate_score"])[1:]
    if elsewhere:
        if not rest:
            raise SystemExit("asks for an expert of another layer; the model has one MoE layer")
        layer = min(rest, key=lambda other: hashlib.sha256(f"{seed} layer {other}".encode()).digest())
        others = list(range(affinity["experts"]))
    if draw > len(others):
        raise SystemExit(f"asks for random draw {draw}; the target layer has {len(others)} other experts")
    shuffled = sorted(others, key=lambda expert: hashlib.sha256(f"{seed} {layer} {expert}".encode()).digest())
    return with_routers({layer: [shuffled[draw - 1]]})


def cumulative(affinity: dict, *, threshold: float, score: str = "token") -> dict:
    """ESFT's choice in every layer (arXiv 2407.01906, section 3.2): experts by descending relevance until their sum
    reaches `threshold`, the one that crosses it included. Routers stay frozen and nothing is anchored.

    score: "token" (token selection ratio: token share / K, sums to 1 in a layer) or "gate" (mean gate score, sums to
    less).
    """
    by_layer = scores_of(affinity, "token_share" if score == "token" else "gate_score")
    experts = {}
    for layer, scores in sorted(by_layer.items()):
        relevance = [share / affinity["top_k"] for share in scores] if score == "token" else scores
        total, chosen = 0.0, []
        for expert in ranked(relevance):
            chosen.append(expert)
            total += relevance[expert]
            if total >= threshold:
                break
        experts[str(layer)] = sorted(chosen)
    return {"experts": experts, "routers": [], "anchor": {}}


NOTHING = {"experts": {}, "routers": [], "anchor": {}}
