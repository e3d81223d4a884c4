from rendering import labels
from rendering.scores import Study, Table, rows_of, score_table

TITLE = "What of UOE does the work: controls"
CAPTION = """**Controls.** UOE with one thing changed: what the expert is chosen by, the expert, the layer, whether the
router trains."""
READS = ("CHOSEN", "RETRAINED")
NOTE = (
    "Each control changes one thing of UOE and keeps its tuned learning rate. Router frozen: no router trains, so "
    "there is no anchor. Layers are ranked by their top expert's affinity, rank 1 is UOE's own."
)


def table(study: Study) -> Table:
    several = len(study.block["methods"]) > 1

    def label(method: str, scope: str) -> str:
        return f"{labels.method(method)}: {labels.scope(scope)}" if several else labels.scope(scope)

    return score_table(study, TITLE, "Trained", rows_of(study, "table2", label), [NOTE])
