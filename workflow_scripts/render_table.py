"""Render one table from a study's results.

Reads what tables/<name>.py names in READS, below --results, and the papers' printed values; writes PREFIX.csv,
PREFIX.md, PREFIX.tex (booktabs) and PREFIX.html. --settings is planning.pictures.settings("tables", NAME, config).
    python workflow_scripts/render_table.py --results results/micro --settings '{"name": "table2", …}' \\
        --published config/published --commit "$(git describe --always --dirty)" \\
        --output-prefix results/micro/tables/table2
"""

from pathlib import Path

from evidence.study import Study
from jobs import provenance, stage
from planning.pictures import declared, files_read
from rendering import notes, writers


def main() -> None:
    parser = stage.parser(__doc__, "settings")
    parser.add_argument("--results", required=True, type=Path, help="results/<study>")
    parser.add_argument("--published", required=True, type=Path, help="folder of the papers' printed values")
    parser.add_argument("--commit", default="unknown", help="named in the table's notes")
    parser.add_argument("--output-prefix", required=True, type=Path)
    args = parser.parse_args()
    name = args.settings["name"]
    declared("tables", name)  # one line if there is no such table
    table = stage.load("tables", name).table(Study(args.results, args.settings, args.published))
    outputs = writers.write(table, name, notes.ending(args.settings, args.commit), args.output_prefix)
    read = [*files_read("tables", name, args.settings, args.results), *args.published.glob("*.csv")]
    provenance.record(outputs[0], vars(args), read, outputs)


if __name__ == "__main__":
    main()
