"""Count what each scope trains of a real architecture, on the meta device: no weights are needed.

Reads, where given, selections made by select_experts.py; writes counts.json.
    python workflow_scripts/count_parameters.py --settings '{"name": "deepseek-v2-lite", "architecture": {...}}' \\
        --selections esft-token=selection.json --output results/paper/architectures/deepseek-v2-lite.json
"""

from jobs import provenance, stage
from jobs.files import read_json, write_json
from moe.parameter_counts import count

LORA_RANK = 8  # the published tables'


def main() -> None:
    parser = stage.parser(__doc__, "settings", "output")
    parser.add_argument("--selections", nargs="*", default=[], metavar="NAME=FILE")
    args = parser.parse_args()
    files = {}
    for word in args.selections:
        name, equals, path = word.partition("=")
        if not equals:
            raise SystemExit(f"--selections {word}: NAME=FILE is expected")
        files[name] = path
    selections = {name: read_json(path) for name, path in files.items()}
    write_json(args.output, count(args.settings["architecture"], LORA_RANK, selections))
    provenance.record(args.output, vars(args), files.values(), [args.output])


if __name__ == "__main__":
    main()
