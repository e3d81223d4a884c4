"""Hold the papers' printed numbers against each other, against arithmetic and against the real architectures.

Reads config/published/*.csv and config/architectures.yaml, no model; writes PREFIX.csv, .md, .tex and .html.
    python workflow_scripts/audit.py --published config/published --architectures config/architectures.yaml \\
        --output-prefix results/micro/tables/audit
"""

from pathlib import Path

from claims.audit.audit import LAST_NOTE, audit, table
from claims.audit.parameters import shared_experts
from evidence import published
from jobs import provenance, stage
from moe.parameter_counts import count
from planning.sources import architecture
from rendering import writers

LORA_RANK = 8


def main() -> None:
    parser = stage.parser(__doc__)
    parser.add_argument("--published", required=True, type=Path, help="folder of the papers' printed values")
    parser.add_argument("--architectures", required=True, type=Path)
    parser.add_argument("--output-prefix", required=True, type=Path)
    args = parser.parse_args()
    models = dict.fromkeys(published.read(args.published, "table3")["model"])
    architectures = {model: architecture(model, args.architectures) for model in models}
    counts = {model: count(block, LORA_RANK, {}) for model, block in architectures.items()}
    shared = {model: shared_experts(block["config"]) for model, block in architectures.items()}
    lines = audit(args.published, counts, shared)
    outputs = writers.write(table(lines), "audit", LAST_NOTE, args.output_prefix)
    read = [args.architectures, *args.published.glob("*.csv")]
    provenance.record(outputs[0], vars(args), read, outputs)


if __name__ == "__main__":
    main()
