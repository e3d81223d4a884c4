from rendering.scores import Study, Table, rows_of, score_table

TITLE = "Table 2. Unlearning methods without and with UOE"
CAPTION = """**Table 2.** GA, GDIFF, NPO and RMU as they are and with UOE (one expert of one layer and its router train,
router anchored): FA and UT of the checkpoint with the best balance, the paper's values beside ours. Red and ▼: utility
more than 10 points below the pretrained model's."""
READS = ("CHOSEN", "RETRAINED")


def table(study: Study) -> Table:
    return score_table(study, TITLE, "Method", rows_of(study, "table2"), original_in="table2")
