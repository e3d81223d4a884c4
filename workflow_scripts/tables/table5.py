from rendering.expert_rows import rows_by_experts
from rendering.scores import Study, Table, score_table

TITLE = "Table 5. Utility at FA ≈ 0.25 when different numbers of experts train (gradient ascent)"
CAPTION = """**Table 5.** Utility at FA ≈ 0.25 when 1, 3 or 6 experts of the target layer train, and when one expert in
each of three layers does (version 2 of the paper). Rows that did not reach the FA, or overshot it, say so."""
READS = ("CHOSEN", "SELECTION", "RETRAINED")
NOTE = "Published, over several layers or with shared experts: version 2, Table 2."


def table(study: Study) -> Table:
    rows = rows_by_experts(study, "table5", "v2_table2")
    second = any(row.published_in != "table5" for row in rows)
    return score_table(study, TITLE, "Trained", rows, [NOTE] if second else [])
