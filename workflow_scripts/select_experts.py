"""Choose what a scope trains, from a model's affinity or from expert scores made elsewhere.

Reads affinity.json, or a score file in ESFT's layout ({"token_scores": {layer: {expert: score}}, "gate_scores": …});
writes selection.json.
    python workflow_scripts/select_experts.py --affinity affinity.json --settings '{"kind": "uoe"}' --seed 0 \\
        --output selection.json
    python workflow_scripts/select_experts.py --scores FILE --seed 0 --output selection.json \\
        --settings '{"kind": "esft", "threshold": 0.2, "score": "token"}'
"""

from pathlib import Path

from jobs import provenance, stage
from jobs.files import read_json, write_json
from moe.selection import NOTHING


def affinity_of_scores(path: Path) -> dict:
    """A score file as an affinity, as far as it holds one.

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
            layers.setdefault(layer, {})["token_share" if kind == "token" else "gate_score"] = values
    if len(sizes) != 1:
        raise SystemExit(f"{path}: layers have different numbers of experts ({', '.join(map(str, sorted(sizes)))})")
    # ESFT's token scores are shares divided by K already.
    return {"top_k": 1, "experts": sizes.pop(), "layers": layers}


def main() -> None:
    parser = stage.parser(__doc__, "settings", "seed", "output")
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--affinity", nargs="?", type=Path, help="needed by the scopes that choose experts")
    given.add_argument("--scores", type=Path, help="expert scores made elsewhere, in place of an affinity")
    args = parser.parse_args()
    kind, path = args.settings["kind"], args.affinity or args.scores
    scope, selection = stage.load("scopes", kind), NOTHING
    unknown = sorted(set(args.settings) - {"kind", *scope.SELECTION_SETTINGS})
    if unknown:
        allowed = ", ".join(("kind", *scope.SELECTION_SETTINGS))
        raise SystemExit(f"scope {kind}: selection does not depend on {unknown[0]!r} (allowed: {allowed})")
    if scope.CHOOSES_EXPERTS:
        if not path:
            raise SystemExit(f"scope {kind} chooses experts and needs --affinity or --scores")
        affinity = affinity_of_scores(path) if args.scores else read_json(path)
        try:
            selection = scope.select(affinity, args.settings, args.seed)
        except SystemExit as stop:
            raise SystemExit(f"{path}: scope {kind}: {stop.code}") from None
    write_json(args.output, selection)
    provenance.record(args.output, vars(args), [path] if path else [], [args.output])


if __name__ == "__main__":
    main()
