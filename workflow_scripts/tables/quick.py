from rendering.scores import Study, Table, rows_of, score_table

TITLE = "A first look: methods without and with UOE, and with random experts"
CAPTION = """**A first look.** GA and NPO as they are, with UOE, and with a random expert in the place of the selected
one: FA and UT of the checkpoint with the best balance."""
READS = ("CHOSEN", "RETRAINED")


def table(study: Study) -> Table:
    return score_table(study, TITLE, "Method", rows_of(study, "table2"))
