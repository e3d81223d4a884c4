"""M experts of one layer, with shared experts, or of different layers (RWKU)."""

from evidence.study import Study
from rendering.placements import NOTE, rows_by_placement
from rendering.scores import score_table
from rendering.table import Table

TITLE = "Table 7 of version 2. Utility at FA ≈ 0.25 when several experts train, of one layer or of several"
CAPTION = """**Version 2, Table 7.** The same on RWKU."""
READS = ("CHOSEN", "RETRAINED")


def table(study: Study) -> Table:
    return score_table(study, TITLE, "Trained", rows_by_placement(study, "v2_table7"), [NOTE])
