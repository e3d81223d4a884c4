"""Table 3 on the real architectures: counted without weights, beside what the papers print."""

from pathlib import Path

from evidence import published
from evidence.results import field
from jobs.files import read_json
from rendering import labels
from rendering.scores import Table, tidy

FUSED, SEPARATE = "Trained %", "Separate %"


def table3_architectures(root: Path, settings: dict, folder: Path) -> Table:
    """Share of trained parameters by scope: as trained here, and with each expert matrix as a layer of its own."""
    values, said = [], []
    for model in settings["block"]["models"]:
        path = root / "architectures" / f"{model}.json"
        counts = read_json(path)
        stands_for = settings["models"][model].get("stands_for") or ""
        common = {"compared": "ga", "model": model, "stands_for": stands_for, "method": "ga"}
        common["benchmark"] = settings["block"]["benchmarks"][0]
        scopes = field(counts, path, "scopes")
        chosen = field(counts, path, "selected_experts")
        for scope in (name for name in scopes if name != "lora-separate"):
            kind = next((known for known in ("uoe", "lora", "esft") if scope.startswith(known)), "")
            printed = published.value(folder, "table3", "tunable_percent", model=stands_for, scope=kind) if kind else ""
            row = common | {"row": _label(scope), "scope": scope}
            values.append(row | {"quantity": FUSED, "value": scopes[scope]["percent"]})
            separate = scopes["lora-separate"] if scope == "lora" else scopes[scope]
            beside = {"published": printed, "published_in": "table3" if printed else ""}
            values.append(row | {"quantity": SEPARATE, "value": separate["percent"]} | beside)
        name = labels.model(settings, model)
        listed = ", ".join(f"{_label(scope)} {scopes[scope]['trained']:,}" for scope in scopes)
        said.append(f"{name}: {counts['total']:,} parameters; trained: {listed}.")
        said += [f"{name}, {_label(scope)}: {chosen[scope]} experts." for scope in chosen if scope != "uoe"]
    notes = [
        "Counted on the models' architectures without weights, by the code that trains them.",
        f"{FUSED}: as here, where the experts of a layer are one tensor, so gate and up projection share one LoRA "
        f"adapter. {SEPARATE}: every expert's gate, up and down projection as a linear layer of its own, as when the "
        "papers were written; only LoRA differs. LoRA: rank 8, every linear layer and every routed expert, neither "
        "router nor head.",
        "The paper's .41 % for UOE on Mixtral is not one expert with its router (.377 %): it would need a model of "
        "43.0 billion parameters. Its ESFT shares follow from how many experts were selected, which only scores on "
        "the forget set tell (select_experts.py --scores).",
        *said,
    ]
    title = "Table 3 on the real architectures. Share of parameters that train"
    return Table("table3_architectures", title, "Method", tidy(values), notes)


def _label(scope: str) -> str:
    names = {"uoe": "UOE (one expert and its router)", "lora-separate": "LoRA, separate"}
    return names.get(scope) or labels.scope(scope)
