"""Render one table of the paper from a study's results.

Reads the files of paper.needs.needs("tables", NAME, …) below --results and the published values; writes PREFIX.csv
(tidy, one row a value), PREFIX.md, PREFIX.tex (booktabs) and PREFIX.html.
    python workflow_scripts/render_table.py --table table2 --results results/micro --settings '{"study": "micro", …}' \\
        --published config/published --commit "$(git describe --always --dirty)" \\
        --output-prefix results/micro/tables/table2
--settings is paper.needs.settings("tables", NAME, config) as JSON.
"""

import argparse
import json
from pathlib import Path

from evidence import results
from jobs import provenance
from jobs.files import write_text
from planning.needs import files_read
from rendering import notes, styling
from tables.prompts import table8
from tables.tables import TABLES
from tables.tuned import at_the_end, widen_tuning
from tables.uncertainty import TABLES as UNCERTAIN

WHOLE = UNCERTAIN | {"table8": table8}  # tables that say themselves how they look
TUNING_TITLE = "All that was tried in tuning"


def record(args: argparse.Namespace) -> None:
    outputs = [Path(f"{args.output_prefix}.{end}") for end in ("csv", "html", "md", "tex")]
    read = [*files_read("tables", args.table, args.settings, args.results), *args.published.glob("*.csv")]
    provenance.record(outputs[0], vars(args), read, outputs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", required=True, choices=[*TABLES, *WHOLE, "tuning"])
    parser.add_argument("--results", required=True, type=Path, help="results/<study>")
    parser.add_argument(
        "--settings", required=True, type=json.loads, help="what the config says of this table, as JSON"
    )
    parser.add_argument("--published", required=True, type=Path, help="folder with the papers' printed values")
    parser.add_argument("--commit", default="unknown", help="named in the table's notes")
    parser.add_argument("--output-prefix", required=True, type=Path)
    args = parser.parse_args()
    ending = notes.ending(args.settings, args.commit)
    if args.table == "tuning":
        frame = results.read_tuning(args.results, args.settings["block"]["combinations"])
        remarks = [notes.TUNING, at_the_end(frame, args.settings), notes.world(args.settings), ending]
        styling.write_wide(widen_tuning(frame, args.settings), "tuning", TUNING_TITLE, remarks, args.output_prefix)
        write_text(f"{args.output_prefix}.csv", frame.to_csv(index=False, lineterminator="\n"))
        record(args)
        return
    if args.table in WHOLE:
        wide, frame, title, said = WHOLE[args.table](args.results, args.settings)
        remarks = [*said, notes.world(args.settings), ending]
        styling.write_wide(wide, args.table, title, remarks, args.output_prefix)
        write_text(f"{args.output_prefix}.csv", frame.to_csv(index=False, lineterminator="\n"))
        record(args)
        return
    table = TABLES[args.table](args.results, args.settings, args.published)
    styling.write_table(table, args.settings, ending, args.output_prefix)
    record(args)


if __name__ == "__main__":
    main()
