from rendering import labels
from rendering.scores import Study, Table, rows_of, score_table

TITLE = "Table 1. Gradient ascent when only some modules of the model train"
CAPTION = """**Table 1.** Gradient ascent (GA) on WMDP-cyber when all parameters, experts and routers, only routers or
only experts train: forget accuracy (FA, lower is better) and utility (UT, higher is better) after unlearning, the
paper's values beside ours. The paper's "Experts & Router" row is its GA baseline, in which everything trains."""
READS = ("CHOSEN", "RETRAINED")
ROWS = {
    "baseline": "All parameters (paper: Experts & Router)",
    "experts-routers": "Experts & routers only (ours)",
    "routers": "Routers only",
    "experts": "Experts only",
}
NOTE = (
    'The paper\'s "Experts & Router" row is its GA baseline: all parameters train, the numbers of Table 2. '
    "Experts & routers only is an extra row of ours."
)


def table(study: Study) -> Table:
    rows = rows_of(study, "table1", label=lambda method, scope: ROWS.get(scope, labels.scope(scope)))
    return score_table(study, TITLE, "Trained modules", rows, [NOTE], original_in="table1")
