"""Choose what a scope trains, from a model's affinity.

Reads affinity.json; writes selection.json.
    python workflow_scripts/select_experts.py --affinity affinity.json --scope '{"kind": "uoe"}' --seed 0 \\
        --output selection.json
"""

import argparse
import json

from files import read_json, write_json
from moe.selection import NOTHING, cumulative, random_expert, top_experts


def select(affinity: dict, scope: dict, seed: int) -> dict:
    """Selection for the config block of a scope that picks experts."""
    if scope["kind"] == "uoe":
        return top_experts(affinity, **{key: scope[key] for key in ("experts", "layers", "rank") if key in scope})
    if scope["kind"] == "random":
        return random_expert(affinity, seed=seed, draw=scope["draw"])
    return cumulative(affinity, threshold=scope["threshold"], score=scope["score"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--affinity", help="needed by the scopes that pick experts")
    parser.add_argument("--scope", required=True, type=json.loads, help="the scope's config block, as JSON")
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    picks = args.scope["kind"] in ("uoe", "random", "esft")
    if picks and not args.affinity:
        raise SystemExit(f"scope {args.scope['kind']!r} picks experts and needs --affinity")
    write_json(args.output, select(read_json(args.affinity), args.scope, args.seed) if picks else NOTHING)


if __name__ == "__main__":
    main()
