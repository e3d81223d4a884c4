from rendering.scores import Study, Table, rows_of, score_table

TITLE = "Table 6. UOE and randomly chosen experts"
CAPTION = """**Table 6.** UOE's expert of highest affinity against randomly chosen experts of the same layer, RMU. The
random row is the mean over several draws with their standard deviation."""
READS = ("CHOSEN", "RETRAINED")


def table(study: Study) -> Table:
    rows = rows_of(study, "table6", compared=lambda method, scope: "all")
    return score_table(study, TITLE, "Method", rows, original_in="table6")
