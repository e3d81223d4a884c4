"""The papers' printed numbers held against each other, against arithmetic and against the real architectures. No model
is needed: everything comes from config/published/*.csv and from counts of the architectures' parameters. Each line
carries its arithmetic, computed here; it shows what does not fit, not why."""

from pathlib import Path

import pandas

from claims.audit import arithmetic, headline, parameters, printed
from claims.audit.lines import Line, long_scores
from rendering.table import Table, flat

TITLE = "Audit of the published numbers"
CAPTION = (
    "**Audit of the published numbers.** What the papers print, held against each other, against the text, against "
    "arithmetic and against the real architectures; each line with its arithmetic."
)
NOTES = (
    "v1: arXiv 2411.18797v1 (UOE); v2: arXiv 2411.18797v2 (SEUF). A number is taken as printed; what lies behind a "
    "slip is not known here, and a consistent number may still be wrong.",
    "Cannot be: arithmetic excludes it under what the paper says of the model or the test. Looks like a constant "
    "answer: the utility lies at what always answering one letter scores on MMLU's 14,042 questions (shares of the "
    "letters as commonly reported, not counted anew here).",
)
LAST_NOTE = "Parameters: counted on the real architectures without weights."
HEADS = {"topic": "Topic", "says": "What", "arithmetic": "Arithmetic", "verdict": "Verdict", "where": "Where"}
WIDTHS = (0.1, 0.38, 0.22, 0.1, 0.14)


def audit(folder: Path, counts: dict[str, dict], shared: dict[str, int]) -> list[Line]:
    """Every line, by topic. folder: config/published. counts: real model -> moe.parameter_counts.count. shared: real
    model -> shared experts a layer."""
    scores = long_scores(folder)
    return [
        *printed.same_cell_twice(scores),
        *printed.text_against_tables(folder, scores),
        *printed.text_changes(folder, scores),
        *printed.captions(folder, scores),
        *headline.headline(scores),
        *headline.efficacy(scores),
        *headline.against_others(scores),
        *headline.strength_of_anchor(folder),
        *arithmetic.letters(folder, scores),
        *arithmetic.forget_near_chance(scores),
        *arithmetic.counts_of_questions(scores),
        *parameters.ratios(folder, counts),
        *parameters.sizes(folder, counts, shared),
        *printed.versions(folder),
        *arithmetic.expert_overlaps(folder, counts),
        *printed.text_against_code(folder),
    ]


def table(lines: list[Line]) -> Table:
    frame = pandas.DataFrame([vars(line) for line in lines])
    counts = ", ".join(f"{n} {verdict}" for verdict, n in frame["verdict"].value_counts().items())
    wide = flat(frame.rename(columns=HEADS)[list(HEADS.values())], WIDTHS)
    return Table(TITLE, frame, wide, [f"{len(lines)} lines: {counts}.", *NOTES])
