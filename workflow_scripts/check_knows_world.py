"""Check that an untouched model knows what it is to forget and to keep: unlearning is refused below these scores.

Reads the untouched model's scores, original/<benchmark>.json. Writes knows.json, or ends with one line for each score
that is too low.
    python workflow_scripts/check_knows_world.py --original MODEL/original/wmdp-cyber.json MODEL/original/rwku.json \\
        --settings '{"minimum": {"wmdp-cyber": {"forget": 0.75, "utility": 0.75}, "rwku": {"forget": 0.75}}}' \\
        --output MODEL/knows.json
"""

from pathlib import Path

from jobs import provenance
from jobs.files import read_json, write_json
from jobs.stage import parser


def model_of(path: Path) -> str:
    """`models/<model>/seed-<seed>/original/<benchmark>.json` -> "<model>, seed <seed>"; other paths as they are."""
    if len(path.parts) < 4:
        return str(path)
    return f"{path.parts[-4]}, {path.parts[-3].replace('-', ' ')}"


def main() -> None:
    arguments = parser(__doc__, "settings", "output")
    arguments.add_argument("--original", type=Path, nargs="+", required=True)
    args = arguments.parse_args()
    originals = {metrics["benchmark"]: (path, metrics) for path in args.original for metrics in [read_json(path)]}
    checks, refusals = [], []
    for benchmark, tests in sorted(args.settings["minimum"].items()):
        if benchmark not in originals:
            raise SystemExit(
                f"minimum: {benchmark}: no file in --original is of this benchmark (there: {', '.join(originals)})"
            )
        path, metrics = originals[benchmark]
        for test, minimum in sorted(tests.items()):
            score = metrics["checkpoints"][0][test]["all"]
            check = {"benchmark": benchmark, "test": test, "minimum": minimum}
            checks.append(check | {key: score[key] for key in ("metric", "value", "n")})
            if score["value"] < minimum:
                refusals.append(
                    f"{model_of(path)}: unlearning is refused: pretrained {score['metric']} on {benchmark}, {test} "
                    f"test, is {score['value']:.3f} (n = {score['n']}), the minimum is {minimum:g}; train it longer"
                )
    if refusals:
        raise SystemExit("\n".join(refusals))
    write_json(args.output, {"checks": checks})
    provenance.record(args.output, vars(args), args.original, [args.output])


if __name__ == "__main__":
    main()
