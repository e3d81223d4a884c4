"""Plot one figure of the paper from a study's results.

Reads the files of paper.needs.needs("figures", NAME, …) below --results; writes PREFIX.pdf, PREFIX.svg and
PREFIX.png. python workflow_scripts/plot_figure.py --figure figure4 --results results/micro --settings '{"study":
"micro", …}' \\ --output-prefix results/micro/figures/figure4 --settings is paper.needs.settings("figures", NAME,
config) as JSON.
"""

import argparse
import io
import json
import os
from pathlib import Path

import matplotlib

matplotlib.use("agg")

from matplotlib import pyplot, style  # noqa: E402

from figures.figures import FIGURES  # noqa: E402
from jobs import provenance
from planning.needs import files_read  # noqa: E402

STYLE = Path(__file__).parent / "figures" / "figures.mplstyle"
# Without dates and versions the same numbers give the same bytes.
METADATA = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}


def save(figure: matplotlib.figure.Figure, prefix: Path) -> None:
    """Write prefix.pdf, .svg and .png, each through a temporary file and a rename."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    for ending, metadata in METADATA.items():
        drawn = io.BytesIO()
        figure.savefig(drawn, format=ending, metadata=metadata)
        temporary = prefix.with_name(f".{prefix.name}.{ending}.{os.getpid()}.part")
        temporary.write_bytes(drawn.getvalue())
        os.replace(temporary, f"{prefix}.{ending}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figure", required=True, choices=list(FIGURES))
    parser.add_argument("--results", required=True, type=Path, help="results/<study>")
    parser.add_argument(
        "--settings", required=True, type=json.loads, help="what the config says of this figure, as JSON"
    )
    parser.add_argument("--output-prefix", required=True, type=Path)
    args = parser.parse_args()
    with style.context(STYLE):
        figure = FIGURES[args.figure](args.results, args.settings)
        save(figure, args.output_prefix)
        outputs = [Path(f"{args.output_prefix}.{end}") for end in METADATA]
        read = files_read("figures", args.figure, args.settings, args.results)
        provenance.record(outputs[0], vars(args), read, outputs)
        pyplot.close(figure)


if __name__ == "__main__":
    main()
