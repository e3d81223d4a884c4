from rendering.expert_rows import NOTE, rows_by_placement
from rendering.scores import Study, Table, score_table

TITLE = "Table 7 of version 2. Utility at FA ≈ 0.25 when several experts train, of one layer or of several"
CAPTION = """**Version 2, Table 7.** The same on RWKU."""
READS = ("CHOSEN", "RETRAINED")


def table(study: Study) -> Table:
    return score_table(study, TITLE, "Trained", rows_by_placement(study, "v2_table7"), [NOTE])
