from rendering.scores import Study, Table, rows_of, score_table

TITLE = "Table 4. UOE and other parameter-efficient training, gradient ascent"
CAPTION = """**Table 4.** UOE against other parameter-efficient training (LoRA, ESFT), gradient ascent: FA and UT, the
paper's values beside ours."""
READS = ("CHOSEN", "RETRAINED")


def table(study: Study) -> Table:
    rows = rows_of(study, "table4", compared=lambda method, scope: "all")
    return score_table(study, TITLE, "Method", rows, original_in="table4")
