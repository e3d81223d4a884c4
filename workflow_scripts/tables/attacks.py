from evidence.study import CELL, Study
from evidence.summary import dagger
from planning import layout
from rendering import labels, notes
from rendering.table import Table, mean_value, tidy, tidy_table

TITLE = "Attacks: does the knowledge come back?"
CAPTION = """**Attacks.** FA, UT and overlap of chosen checkpoints before and after quantization, fine-tuning on forget
or retain text and the return of the original routers, and with tokens sent past the trained experts; as a control the
untouched model without the experts that the scope trains."""
READS = ("ATTACK",)
KEYS = ("models", "benchmarks", "methods", "scopes", "attacks")
ROWS = {
    "8-bit": "weights at 8 bits",
    "4-bit": "weights at 4 bits",
    "relearn-forget": "fine-tuned on a few forget texts",
    "relearn-retain": "fine-tuned on a few retain texts",
    "long-retain": "fine-tuned on all retain text",
    "original-routers": "original routers",
    "bypassed": "tokens sent past the scope's experts",
    "disabled": "control: untouched model without the scope's experts",
}
NOTE = (
    "Each attack starts from the checkpoint that the other tables show (best balance) and is scored on the same test "
    "half. A forget accuracy that rises means that the knowledge was hidden, not gone. Quantization: every weight "
    "matrix rounded to nearest, one scale a row. Original routers: tokens go where they went before unlearning. Sent "
    "past: the router can't choose the experts that the scope trained, and its next choices take over. The control "
    "trains nothing. Overlap: with the untouched model's expert choice on forget text, mean over MoE layers. "
    "† collapsed; it does not count as forgotten."
)


def table(study: Study) -> Table:
    """A block of rows for each method and scope: as it is, then after each attack."""
    values = []
    for cell in study.cells():
        label = labels.method_and_scope(*cell[2:])
        attacks = study.settings["attacks"][cell[3]]
        for name in attacks[:1]:
            values += scored(study, cell, name, "before", label)
        for name in attacks:
            values += scored(study, cell, name, "after", f"{label}, {ROWS.get(name, name)}")
    texts = [notes.MEASURES, notes.world(study.settings), notes.errors(study.settings), NOTE]
    return tidy_table(study, TITLE, "After", tidy(values), texts)


def scored(study: Study, cell: tuple, attack: str, part: str, row: str) -> list[dict]:
    records = study.of_seeds(layout.ATTACK, cell, part, attack=attack)
    broken = study.of_seeds(layout.ATTACK, cell, part, "collapsed", attack=attack)
    common = dict(zip(CELL, cell, strict=True)) | {
        "row": row,
        "compared": labels.method_and_scope(*cell[2:]),
        "seeds": len(records),
    }
    common["marks"] = dagger(sum(broken), len(broken))
    values = []
    for quantity in ("fa", "ut"):
        scores = [record[quantity] for record in records]
        numbers = ([score[key] for score in scores] for key in ("value", "stderr"))
        shown = common | mean_value(labels.QUANTITIES[quantity][0], *numbers)
        values.append(shown | {"n": "/".join(dict.fromkeys(str(score["n"]) for score in scores))})
    if records[0]["overlap"] is not None:
        values.append(common | mean_value("Overlap", [record["overlap"] for record in records]))
    return values
