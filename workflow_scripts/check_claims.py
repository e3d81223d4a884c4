"""Test the papers' claims on a study's results: the ledger of claims.

Reads the files of planning.claims.files below --results, and claims.json of other studies; writes --verdicts
(claims.json) and PREFIX.csv, .md, .tex and .html.
    python workflow_scripts/check_claims.py --settings '{"study": "micro", …}' --results results/micro \\
        --others results/paper/claims.json --commit "$(git describe --always --dirty)" \\
        --verdicts results/micro/claims.json --output-prefix results/micro/tables/claims
--settings is planning.claims.settings(config) as JSON.
"""

from pathlib import Path

from claims import ledger
from claims.collection import CLAIMS
from claims.judging import judged
from claims.study import ClaimStudy
from jobs import provenance, stage
from jobs.files import read_json, write_json
from rendering import notes, writers


def main() -> None:
    parser = stage.parser(__doc__, "settings")
    parser.add_argument("--results", required=True, type=Path, help="results/<study>")
    parser.add_argument("--others", nargs="*", default=[], type=Path, help="claims.json of other studies")
    parser.add_argument("--commit", default="unknown", help="named in the ledger's notes")
    parser.add_argument("--verdicts", required=True, type=Path)
    parser.add_argument("--output-prefix", required=True, type=Path)
    args = parser.parse_args()
    study = ClaimStudy(args.results, args.settings)
    rows = [judged(claim, study) for claim in CLAIMS]
    write_json(args.verdicts, ledger.verdicts(rows, args.settings))
    table = ledger.table(rows, args.settings, [read_json(path) for path in args.others])
    outputs = writers.write(table, "claims", notes.ending(args.settings, args.commit), args.output_prefix)
    provenance.record(outputs[0], vars(args), args.others, [*outputs, args.verdicts])


if __name__ == "__main__":
    main()
