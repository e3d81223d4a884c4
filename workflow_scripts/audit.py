"""Hold the papers' printed numbers against each other, against arithmetic and against the real architectures.

Reads config/published/*.csv and config/architectures.yaml, no model; writes PREFIX.csv, .md, .tex and .html.
    python workflow_scripts/audit.py --published config/published --architectures config/architectures.yaml \\
        --output-prefix results/micro/tables/audit
"""

import argparse
from pathlib import Path

import pandas

from claims.audit import audit
from count_parameters import count
from evidence import published
from jobs import provenance
from jobs.files import write_text
from planning.sources import architecture
from rendering import styling

LORA_RANK = 8
TITLE = "Audit of the published numbers"
REMARKS = [
    "v1: arXiv 2411.18797v1 (UOE); v2: arXiv 2411.18797v2 (SEUF). A number is taken as printed; what lies behind a "
    "slip is not known here, and a consistent number may still be wrong.",
    "Cannot be: arithmetic excludes it under what the paper says of the model or the test. Looks like a constant "
    "answer: the utility lies at what always answering one letter scores on MMLU's 14,042 questions (shares of the "
    "letters as commonly reported, not counted anew here).",
    "Parameters: counted on the real architectures without weights.",
]


def shared_experts(config: dict) -> int:
    """Shared experts of a layer: named, or the width of their fused block in widths of one routed expert; else 0."""
    if "n_shared_experts" in config:
        return config["n_shared_experts"]
    return config.get("shared_expert_intermediate_size", 0) // config.get("moe_intermediate_size", 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--published", required=True, type=Path, help="folder with the papers' printed values")
    parser.add_argument("--architectures", required=True, type=Path)
    parser.add_argument("--output-prefix", required=True, type=Path)
    args = parser.parse_args()
    models = list(dict.fromkeys(published.read(args.published, "table3")["model"]))
    real = {model: architecture(model, args.architectures) for model in models}
    counts = {model: count(known, LORA_RANK, {}) for model, known in real.items()}
    shared = {model: shared_experts(known["config"]) for model, known in real.items()}
    lines = audit(args.published, counts, shared)
    frame = pandas.DataFrame([vars(line) for line in lines])
    verdicts = frame["verdict"].value_counts()
    remarks = [f"{len(frame)} lines: {', '.join(f'{n} {verdict}' for verdict, n in verdicts.items())}.", *REMARKS]
    heads = {"topic": "Topic", "says": "What", "arithmetic": "Arithmetic", "verdict": "Verdict", "where": "Where"}
    wide = styling.sentences(frame.rename(columns=heads)[list(heads.values())], (0.1, 0.38, 0.22, 0.1, 0.14))
    styling.write_wide(wide, "audit", TITLE, remarks, args.output_prefix)
    write_text(f"{args.output_prefix}.csv", frame.to_csv(index=False, lineterminator="\n"))
    outputs = [Path(f"{args.output_prefix}.{end}") for end in ("csv", "html", "md", "tex")]
    read = [args.architectures, *args.published.glob("*.csv")]
    provenance.record(outputs[0], vars(args), read, outputs)


if __name__ == "__main__":
    main()
