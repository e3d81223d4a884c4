"""Choose what a scope trains, from a model's affinity or from expert scores made elsewhere.

Reads affinity.json, or a score file in ESFT's layout ({"token_scores": {layer: {expert: score}}, "gate_scores": …});
writes selection.json.
    python workflow_scripts/select_experts.py --affinity affinity.json --scope '{"kind": "uoe"}' --seed 0 \\
        --output selection.json
    python workflow_scripts/select_experts.py --scores FILE --scope esft --p 0.2 --score token --out selection.json
"""

import argparse
import json

from jobs import provenance
from jobs.files import read_json, write_json
from moe.selection import NOTHING, cumulative, random_expert, top_anywhere, top_experts


def select(affinity: dict, scope: dict, seed: int) -> dict:
    """Selection for the config block of a scope that picks experts."""
    if scope["kind"] == "uoe":
        if "anywhere" in scope:
            chosen = top_anywhere(affinity, anywhere=scope["anywhere"])
        else:
            wanted = ("experts", "layers", "rank", "by")
            chosen = top_experts(affinity, **{key: scope[key] for key in wanted if key in scope})
        return chosen | {"routers": [], "anchor": {}} if scope.get("frozen_router") else chosen
    if scope["kind"] == "random":
        return random_expert(affinity, seed=seed, draw=scope["draw"], elsewhere=scope.get("elsewhere", False))
    return cumulative(affinity, threshold=scope["threshold"], score=scope["score"])


def affinity_of_scores(path: str) -> dict:
    """A score file as an affinity: token and gate relevance of every expert of every layer, as far as it holds them.

    Ends with one line if a layer's experts are not 0, 1, ... or differ in number between layers.
    """
    scores = read_json(path)
    kinds = [kind for kind in ("token", "gate") if isinstance(scores, dict) and f"{kind}_scores" in scores]
    if not kinds:
        raise SystemExit(f"{path}: neither token_scores nor gate_scores is there")
    layers: dict[str, dict] = {}
    sizes = set()
    for kind in kinds:
        for layer, experts in scores[f"{kind}_scores"].items():
            if set(experts) != {str(expert) for expert in range(len(experts))}:
                raise SystemExit(f"{path}: {kind}_scores: layer {layer}: experts must be 0 to {len(experts) - 1}")
            values = [float(experts[str(expert)]) for expert in range(len(experts))]
            sizes.add(len(values))
            layers.setdefault(layer, {})[f"relevance_{kind}"] = values
            if kind == "gate":
                layers[layer]["gate_score"] = values
    if len(sizes) != 1:
        raise SystemExit(f"{path}: layers have different numbers of experts ({', '.join(map(str, sorted(sizes)))})")
    return {"experts": sizes.pop(), "layers": layers}


def scope_block(text: str) -> dict:
    """A scope's config block as JSON, or a kind's bare name."""
    return json.loads(text) if text.lstrip().startswith("{") else {"kind": text}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--affinity", help="needed by the scopes that pick experts")
    given.add_argument("--scores", help="expert scores made elsewhere, in place of an affinity")
    parser.add_argument(
        "--scope", required=True, type=scope_block, help="the scope's config block as JSON, or its kind"
    )
    parser.add_argument("--p", type=float, help="ESFT's threshold, in (0, 1]; over the block's")
    parser.add_argument("--score", choices=("token", "gate"), help="ESFT's score; over the block's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", "--out", required=True)
    args = parser.parse_args()
    over = {"threshold": args.p, "score": args.score}
    scope = args.scope | {key: value for key, value in over.items() if value is not None}
    if scope["kind"] not in ("uoe", "random", "esft"):
        write_json(args.output, NOTHING)
        provenance.record(args.output, vars(args), [], [args.output])
        return
    if not args.affinity and not args.scores:
        raise SystemExit(f"scope {scope['kind']!r} picks experts and needs --affinity or --scores")
    affinity = affinity_of_scores(args.scores) if args.scores else read_json(args.affinity)
    if scope["kind"] == "esft":
        for key, option in (("threshold", "--p"), ("score", "--score")):
            if key not in scope:
                raise SystemExit(f"scope esft: {option} is missing")
        if not 0.0 < scope["threshold"] <= 1.0:
            raise SystemExit(f"scope esft: p = {scope['threshold']:g} must lie in (0, 1]")
    wanted = f"relevance_{scope['score']}" if scope["kind"] == "esft" else "gate_score"
    for layer, found in affinity["layers"].items():
        if wanted not in found:
            raise SystemExit(f"{args.scores or args.affinity}: layer {layer}: no {wanted} for scope {scope['kind']}")
    write_json(args.output, select(affinity, scope, args.seed))
    provenance.record(args.output, vars(args), [path for path in (args.affinity, args.scores) if path], [args.output])


if __name__ == "__main__":
    main()
