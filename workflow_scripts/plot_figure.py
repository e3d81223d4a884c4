"""Plot one figure from a study's results.

Reads what figures/<name>.py names in READS, below --results; writes PREFIX.pdf, PREFIX.svg and PREFIX.png.
--settings is planning.pictures.settings("figures", NAME, config).
    python workflow_scripts/plot_figure.py --results results/micro --settings '{"name": "figure4", …}' \\
        --output-prefix results/micro/figures/figure4
"""

import io
from pathlib import Path

import matplotlib

matplotlib.use("agg")

from matplotlib import pyplot, style  # noqa: E402

from evidence.study import Study  # noqa: E402
from jobs import provenance, stage  # noqa: E402
from jobs.files import write_bytes  # noqa: E402
from planning.pictures import declared, files_read  # noqa: E402

STYLE = Path(__file__).parent / "figures" / "figures.mplstyle"
# Without dates and versions the same numbers give the same bytes.
METADATA = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}


def save(figure: matplotlib.figure.Figure, prefix: Path) -> list[Path]:
    """Write prefix.pdf, .svg and .png; returns their paths."""
    paths = [Path(f"{prefix}.{extension}") for extension in METADATA]
    for path, (extension, metadata) in zip(paths, METADATA.items(), strict=True):
        drawn = io.BytesIO()
        figure.savefig(drawn, format=extension, metadata=metadata)
        write_bytes(path, drawn.getvalue())
    return paths


def main() -> None:
    parser = stage.parser(__doc__, "settings")
    parser.add_argument("--results", required=True, type=Path, help="results/<study>")
    parser.add_argument("--output-prefix", required=True, type=Path)
    args = parser.parse_args()
    name = args.settings["name"]
    declared("figures", name)  # one line if there is no such figure
    with style.context(STYLE):
        figure = stage.load("figures", name).figure(Study(args.results, args.settings))
        outputs = save(figure, args.output_prefix)
    read = files_read("figures", name, args.settings, args.results)
    provenance.record(outputs[0], vars(args), read, outputs)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
