from evidence.study import Study
from planning import layout
from rendering import labels
from rendering.table import Table, tidy, tidy_table

TITLE = "Table 3 on the real architectures. Share of parameters that train"
CAPTION = """**Table 3 on the real architectures.** The same shares counted without weights: as trained here, and with
every expert matrix as a layer of its own."""
READS = ("ARCHITECTURE",)
KEYS = ("models", "benchmarks")
FUSED, SEPARATE = "Trained %", "Separate %"
ROWS = {"uoe": "UOE (one expert and its router)", "lora-separate": "LoRA, separate"}
NOTES = (
    "Counted on the models' architectures without weights, by the code that trains them.",
    f"{FUSED}: as here, where the experts of a layer are one tensor, so gate and up projection share one LoRA "
    f"adapter. {SEPARATE}: every expert's gate, up and down projection as a linear layer of its own, as when the "
    "papers were written; only LoRA differs. LoRA: rank 8, every linear layer and every routed expert, neither "
    "router nor head.",
    "The paper's .41 % for UOE on Mixtral is not one expert with its router (.377 %): it would need a model of "
    "43.0 billion parameters. Its ESFT shares follow from how many experts were selected, which only scores on "
    "the forget set tell (select_experts.py --scores).",
)


def table(study: Study) -> Table:
    values, sizes = [], []
    for model in study.block["models"]:
        keys = ("scopes", "selected_experts", "total")
        scopes, chosen, total = (study.read(layout.ARCHITECTURE, (model,), 0, key) for key in keys)
        for scope in (name for name in scopes if name != "lora-separate"):
            values += of_scope(study, model, scope, scopes)
        name = labels.model(study.settings, model)
        listed = ", ".join(f"{label(scope)} {scopes[scope]['trained']:,}" for scope in scopes)
        sizes.append(f"{name}: {total:,} parameters; trained: {listed}.")
        sizes += [f"{name}, {label(scope)}: {chosen[scope]} experts." for scope in chosen if scope != "uoe"]
    return tidy_table(study, TITLE, "Method", tidy(values), [*NOTES, *sizes])


def of_scope(study: Study, model: str, scope: str, scopes: dict) -> list[dict]:
    """Both shares of one scope; what is published counts the matrices separately."""
    kind = next((name for name in ("uoe", "lora", "esft") if scope.startswith(name)), "")
    real = study.stands_for(model)
    printed = study.printed("table3", "tunable_percent", model=real, scope=kind) if kind else ""
    row = {"row": label(scope), "compared": "ga", "model": model, "stands_for": real, "method": "ga", "scope": scope}
    row["benchmark"] = study.block["benchmarks"][0]
    separate = scopes["lora-separate"] if scope == "lora" else scopes[scope]
    beside = {"published": printed, "published_in": "table3" if printed else ""}
    return [
        row | {"quantity": FUSED, "value": scopes[scope]["percent"]},
        row | {"quantity": SEPARATE, "value": separate["percent"]} | beside,
    ]


def label(scope: str) -> str:
    return ROWS.get(scope) or labels.scope(scope)
