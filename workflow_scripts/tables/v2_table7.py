from rendering.expert_rows import rows_by_experts
from rendering.scores import Study, Table, score_table

TITLE = "Table 7 of version 2. Utility at FA ≈ 0.25 when different numbers of experts train (gradient ascent)"
CAPTION = """**Version 2, Table 7.** Utility at FA ≈ 0.25 when several experts train, in one layer or over layers, and
with the shared experts."""
READS = ("CHOSEN", "SELECTION", "RETRAINED")


def table(study: Study) -> Table:
    return score_table(study, TITLE, "Trained", rows_by_experts(study, "v2_table7", "v2_table7"))
