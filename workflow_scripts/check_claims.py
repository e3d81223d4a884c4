"""Judge the papers' claims by a study's results: the ledger of claims.

Reads the files of paper.needs.claims_needs below --results, and claims.json of other worlds; writes --verdicts
(claims.json) and PREFIX.csv, .md, .tex and .html.
    python workflow_scripts/check_claims.py --results results/micro --settings '{"study": "micro", …}' \\
        --others results/paper/claims.json --commit "$(git describe --always --dirty)" \\
        --verdicts results/micro/claims.json --output-prefix results/micro/tables/claims
--settings is paper.needs.claims_settings(config) as JSON.
"""

import argparse
import json
from pathlib import Path

import pandas

from claims.claim_list import CLAIMS
from claims.ledger import NOT_RUN, World, judged
from evidence.bootstrap import DRAWS, LEVEL
from evidence.matched import TOLERANCE
from jobs import provenance
from jobs.files import read_json, write_json, write_text
from rendering import notes, styling

TITLE = "Ledger of claims"
WORLDS = ("micro", "paper")
REMARKS = (
    "Claims are in our words; the test says which results decide. Holds: the whole interval of the effect lies beyond "
    "the margin that the test names, on the claimed side; does not hold: on the other side; else undecided. Where the "
    "test asks for every case or for the largest, the effect is that of the least or largest one and its interval so "
    "wide that those of all cases hold at once. With one seed nothing is decided. Not run: the study has no such "
    "cells. Nothing is corrected for the number of claims.",
    f"Interval: middle {LEVEL:g} % of {DRAWS:,} bootstrap draws of seeds and of questions, paired by both; with one "
    "seed of questions alone, so that training anew is not in it; seeds are widened as Student's t is for so few. "
    "Questions are drawn as if independent, though some ask for one fact in two wordings.",
    "Scores at the checkpoint of the best balance, on the reported half of each test, as in Table 2; equal FA: within "
    f"{100 * TOLERANCE:g} points on the other half; at FA ≈ 0.25: only of runs that reached it and did not overshoot. "
    "† a checkpoint of these has collapsed: it counts as having forgotten nothing. TRACE is a reconstruction (table "
    "trace).",
)


def effect_text(row: dict) -> str:
    """+12.3 points [+8.0, +16.1]; least: GA+UOE, Qwen (WMDP)."""
    if row["effect"] is None:
        return row["note"]
    scale, digits = (100, 1) if row["unit"] == "points" else (1, 3)
    text = f"{scale * row['effect']:+.{digits}f} {row['unit']}"
    if row["low"] is not None:
        text += f" [{scale * row['low']:+.{digits}f}, {scale * row['high']:+.{digits}f}]"
    return "; ".join([text, row["of"], *([f"† {row['note']}"] if row["note"] else [])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", required=True, type=Path, help="results/<study>")
    parser.add_argument("--settings", required=True, type=json.loads, help="what the config says, as JSON")
    parser.add_argument("--others", nargs="*", default=[], type=Path, help="claims.json of other worlds")
    parser.add_argument("--commit", default="unknown", help="named in the ledger's notes")
    parser.add_argument("--verdicts", required=True, type=Path)
    parser.add_argument("--output-prefix", required=True, type=Path)
    args = parser.parse_args()
    world = World(args.results, args.settings)
    rows = [judged(claim, world) for claim in CLAIMS]
    own = args.settings["world"]
    write_json(args.verdicts, {"world": own, "seeds": args.settings["seeds"], "claims": {r["id"]: r for r in rows}})
    found = {known["world"]: known["claims"] for known in map(read_json, args.others)} | {
        own: {r["id"]: r for r in rows}
    }
    table = pandas.DataFrame({
        "Claim": [row["claim"] for row in rows],
        "Source": [row["source"] for row in rows],
        "Test": [row["test"] for row in rows],
        f"Effect ({own})": [effect_text(row) for row in rows],
        **{
            f"Verdict ({name})": [found.get(name, {}).get(row["id"], {}).get("verdict", NOT_RUN) for row in rows]
            for name in dict.fromkeys((own, *WORLDS, *found))
        },
    })  # fmt: skip
    widths = (0.2, 0.12, 0.22, 0.2) + (0.09,) * (table.shape[1] - 4)
    counts = pandas.Series([row["verdict"] for row in rows]).value_counts()
    said = [f"{len(rows)} claims, {own}: {', '.join(f'{n} {verdict}' for verdict, n in counts.items())}."]
    said += [*REMARKS, notes.world(args.settings), notes.ending(args.settings, args.commit)]
    styling.write_wide(styling.sentences(table, widths), "claims", TITLE, said, args.output_prefix)
    columns = [
        "id",
        "source",
        "claim",
        "test",
        "verdict",
        "effect",
        "low",
        "high",
        "unit",
        "of",
        "cases",
        "collapsed",
        "note",
    ]
    frame = pandas.DataFrame(rows)[columns].assign(world=own)
    write_text(f"{args.output_prefix}.csv", frame.to_csv(index=False, lineterminator="\n"))
    outputs = [Path(f"{args.output_prefix}.{end}") for end in ("csv", "html", "md", "tex")]
    provenance.record(outputs[0], vars(args), args.others, [*outputs, args.verdicts])


if __name__ == "__main__":
    main()
