"""Check that an untouched model knows what it shall forget and keep; without that, no number after it means anything.

Reads the model's scores, original/<benchmark>.json; writes knows.json, or ends with one line for each
score that is too low.
    python workflow_scripts/check_knows_world.py --original MODEL/original/wmdp-cyber.json MODEL/original/rwku.json \\
        --minimum '{"wmdp-cyber": {"forget": 0.75, "utility": 0.75}, "rwku": {"forget": 0.75}}' \\
        --output MODEL/knows.json
"""

import argparse
import json
from pathlib import Path

from jobs import provenance
from jobs.files import read_json, write_json


def model_of(path: Path) -> str:
    """`models/<model>/seed-<seed>/original/<benchmark>.json` -> "<model>, seed <seed>"; other paths as they are."""
    if len(path.parts) < 4:
        return str(path)
    return f"{path.parts[-4]}, {path.parts[-3].replace('-', ' ')}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--original", type=Path, nargs="+", required=True)
    parser.add_argument(
        "--minimum", type=json.loads, required=True, help='{"<benchmark>": {"forget": least, "utility": least}}'
    )
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    found = {metrics["benchmark"]: (path, metrics) for path in args.original for metrics in [read_json(path)]}
    checks, failed = [], []
    for benchmark, tests in sorted(args.minimum.items()):
        if benchmark not in found:
            raise SystemExit(
                f"--minimum: {benchmark}: no file in --original is of this benchmark (found: {', '.join(found)})"
            )
        path, metrics = found[benchmark]
        for test, least in sorted(tests.items()):
            score = metrics["checkpoints"][0][test]["all"]
            checks.append(
                {
                    "benchmark": benchmark,
                    "test": test,
                    "minimum": least,
                    **{k: score[k] for k in ("metric", "value", "n")},
                }
            )
            if score["value"] < least:
                failed.append(
                    f"{model_of(path)} does not know its world: {benchmark}, {test} test: {score['metric']} is "
                    f"{score['value']:.3f} (n = {score['n']}), at least {least:g} is needed; train it longer"
                )
    if failed:
        raise SystemExit("\n".join(failed))
    write_json(args.output, {"checks": checks})
    provenance.record(args.output, vars(args), args.original, [args.output])


if __name__ == "__main__":
    main()
