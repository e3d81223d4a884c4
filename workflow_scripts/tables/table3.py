from evidence.study import CELL, Study, field
from planning import layout
from rendering import labels, notes
from rendering.table import Table, mean_value, tidy, tidy_table

TITLE = "Table 3. Share of parameters that train"
CAPTION = """**Table 3.** Share of all parameters that train under LoRA, ESFT and UOE, counted from the tensors (of
experts: slices) that really trained."""
READS = ("PARAMETERS",)
COUNTED = (
    "Trained parameters in percent of all parameters of the untouched model, counted from the tensors (of experts: "
    "slices) that trained."
)
MICRO = "A micro model has few, and relatively large, experts: its shares are not expected to equal the paper's."


def table(study: Study) -> Table:
    values, sizes = [], []
    for cell in study.cells():
        model, _, method, scope = cell
        counts = [counted(study, cell, seed) for seed in study.seeds]
        real = study.stands_for(model)
        printed = study.printed("table3", "tunable_percent", model=real, scope=scope)
        value = dict(zip(CELL, cell, strict=True)) | mean_value("Trained %", [count["percent"] for count in counts])
        value |= {"row": labels.scope(scope), "compared": method, "stands_for": real, "seeds": len(counts)}
        values.append(value | {"published": printed, "published_in": "table3" if printed else ""})
        trained = " or ".join(f"{number:,}" for number in dict.fromkeys(count["trained"] for count in counts))
        place = f"{labels.scope(scope)} {labels.model(study.settings, model)}"
        sizes.append(f"{place} {trained} of {counts[0]['total']:,}")
    micro = [MICRO] if study.settings["world"] != "paper" else []
    texts = [COUNTED, f"Counts: {'; '.join(sizes)}.", notes.world(study.settings), *micro]
    return tidy_table(study, TITLE, "Method", tidy(values), texts)


def counted(study: Study, cell: tuple, seed: int) -> dict:
    path, content = study.path(layout.PARAMETERS, cell, seed), study.read(layout.PARAMETERS, cell, seed)
    return {key: field(content, path, key) for key in ("trained", "total", "percent")}
