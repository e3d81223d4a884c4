"""What attacks bring back: FA and UT of chosen checkpoints before and after each."""

from pathlib import Path

from evidence.results import dagger, field, mean_and_error
from jobs.files import read_json
from planning.needs import attack_path, attacks_on, cells
from rendering import labels, notes
from rendering.scores import Table, tidy

LABELS = {
    "8-bit": "weights at 8 bits",
    "4-bit": "weights at 4 bits",
    "relearn-forget": "fine-tuned on a few forget texts",
    "relearn-retain": "fine-tuned on a few retain texts",
    "long-retain": "fine-tuned on all retain text",
    "original-routers": "original routers",
    "bypassed": "tokens sent past the scope's experts",
    "disabled": "control: untouched model without the scope's experts",
}
SAID = (
    "Each attack starts from the checkpoint that the other tables show (best balance) and is scored on the same test "
    "half. A forget accuracy that rises means that the knowledge was hidden, not gone. Quantization: every weight "
    "matrix rounded to nearest, one scale a row. Original routers: tokens go where they went before unlearning. Sent "
    "past: the router can't choose the experts that the scope trained, and its next choices take over. The control "
    "trains nothing. Overlap: with the untouched model's expert choice on forget text, mean over MoE layers. "
    "† collapsed; it does not count as forgotten."
)


def attacks(root: Path, settings: dict, folder: Path) -> Table:
    """A block of rows for each method and scope: as it is, then after each attack."""
    block, values = settings["block"], []
    for model, benchmark, method, scope in cells(block, settings["models"]):
        cell = labels.method_and_scope(method, scope)
        common = {"model": model, "benchmark": benchmark, "method": method, "scope": scope, "compared": cell}
        for name in attacks_on(block, scope):
            paths = [root / attack_path(model, benchmark, method, scope, seed, name) for seed in settings["seeds"]]
            records = [read_json(path) for path in paths]
            for label, part in ((cell, "before"), (f"{cell}, {LABELS.get(name, name)}", "after")):
                if part == "before" and any(v["row"] == cell and v["model"] == model for v in values):
                    continue
                collapsed = sum(
                    field(record, path, part, "collapsed") for record, path in zip(records, paths, strict=True)
                )
                mark = dagger(collapsed, len(records))
                for quantity, key in (("FA", "forget"), ("UT", "utility")):
                    scores = [record[part][key] for record in records]
                    value, error = mean_and_error(*([s[k] for s in scores] for k in ("value", "stderr")))
                    values.append(
                        common
                        | {"row": label, "quantity": quantity, "value": value, "standard_error": error, "marks": mark}
                        | {"n": "/".join(dict.fromkeys(str(s["n"]) for s in scores)), "seeds": len(records)}
                    )
                if records[0][part]["overlap"] is not None:
                    value, error = mean_and_error([record[part]["overlap"] for record in records], [float("nan")])
                    rest = {"row": label, "quantity": "Overlap", "value": value, "standard_error": error}
                    values.append(common | rest | {"seeds": len(records), "marks": mark})
    said = [notes.MEASURES, notes.world(settings), notes.errors(settings), SAID]
    return Table("attacks", "Attacks: does the knowledge come back?", "After", tidy(values), said)
