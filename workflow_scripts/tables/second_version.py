"""Controls of UOE, and the tables that its second version (SEUF, arXiv 2411.18797v2) adds on several experts."""

from dataclasses import replace
from pathlib import Path

from evidence import published
from evidence.results import field, mean_and_error
from jobs.files import read_json
from planning.needs import attribution_checks_path, cells
from rendering import labels, notes
from rendering.scores import Row, Table, score_table, tidy

# Scope -> (placement, experts) as version 2 prints them in its Tables 2 and 7.
PLACEMENTS = {
    "uoe": ("same-layer", "1"),
    "uoe-3-experts": ("same-layer", "3"),
    "uoe-6-experts": ("same-layer", "6"),
    "uoe-shared": ("same-layer", "1+shared"),
    "uoe-3-anywhere": ("different-layers", "3"),
    "uoe-6-anywhere": ("different-layers", "6"),
}
RMU = (
    "Version 2's settings: its retain weight, and c less than this study's by the ratio of the two values that it "
    "gives, for RMU's baseline and with UOE; c counts in mean norms of the activations at the hook layer, which is not "
    "UOE's layer. The paper's values stand beside this row (version 2 repeats version 1's) and beside RMU+UOE, which "
    "keeps this study's settings. All parameters: whatever lies up to the hook layer trains, as in the other methods' "
    "baselines. Version 2 says that RMU's original settings fail on MoE models; as quoted for Mixtral these train one "
    "matrix of one expert in three layers, which is not run here. Each row has its own tuned learning rate."
)
CONTROLS = (
    "Each control changes one thing of UOE and keeps its tuned learning rate. Router frozen: no router trains, so "
    "there is no anchor. Layers are ranked by their top expert's affinity, rank 1 is UOE's own."
)


def controls(root: Path, settings: dict, folder: Path) -> Table:
    """UOE with another expert, another layer, another score to choose by, or a router that can't move."""
    rows = _rows(settings, "table2", lambda method, scope: {"method": method, "scope": scope})
    if len(settings["block"]["methods"]) > 1:
        rows = [replace(row, label=f"{labels.method(row.method)}: {row.label}") for row in rows]
    return score_table(
        "controls", "What of UOE does the work: controls", "Trained", root, settings, folder, rows, [CONTROLS]
    )


def v2_rmu(root: Path, settings: dict, folder: Path) -> Table:
    """RMU's baseline with the study's settings, with version 2's, and with everything trained, beside RMU+UOE."""
    rows = []
    for method, scope in dict.fromkeys(cell[2:] for cell in cells(settings["block"], settings["models"])):
        printed = {("rmu-v2", "baseline"): "baseline", ("rmu", "uoe"): "uoe"}.get((method, scope), "not printed")
        label = labels.method_and_scope(method, scope)
        rows.append(Row(label, method, scope, "rmu", "table2", {"method": "rmu", "scope": printed}))
    title = "RMU's baseline as version 2 sets it"
    return score_table("v2_rmu", title, "Method", root, settings, folder, rows, [RMU])


def v2_placements(root: Path, settings: dict, folder: Path) -> Table:
    """M experts of one layer, with shared experts, or of different layers (WMDP)."""
    return _placements("v2_placements", "v2_table2", "Table 2 of version 2", root, settings, folder)


def v2_placements_rwku(root: Path, settings: dict, folder: Path) -> Table:
    """The same on RWKU."""
    return _placements("v2_placements_rwku", "v2_table7", "Table 7 of version 2", root, settings, folder)


def _placements(name: str, source: str, title: str, root: Path, settings: dict, folder: Path) -> Table:
    def keys(method: str, scope: str) -> dict:
        placement, experts = PLACEMENTS[scope]
        return {"method": method, "placement": placement, "experts": experts}

    for scope in settings["block"]["scopes"]:
        if scope not in PLACEMENTS:
            raise SystemExit(f"config, tables: {name}: scopes: {scope!r} is none of {', '.join(PLACEMENTS)}")
    rows = _rows(settings, source, keys)
    said = ["Published: version 2 of the paper. It names 4 shared experts for both models; DeepSeek-V2-Lite has 2."]
    title = f"{title}. Utility at FA ≈ 0.25 when several experts train, of one layer or of several"
    return score_table(name, title, "Trained", root, settings, folder, rows, said)


def _rows(settings: dict, source: str, keys) -> list[Row]:
    block = settings["block"]
    return [
        Row(labels.scope(scope), method, scope, method, source, keys(method, scope))
        for method in block["methods"]
        for scope in block["scopes"]
    ]


def v2_attribution(root: Path, settings: dict, folder: Path) -> Table:
    """Tables 8 and 11 of version 2: is the attribution stable, and does it rank experts as their contributions do?"""
    block, values, tokens, least = settings["block"], [], [], []
    for model in block["models"]:
        stands_for = settings["models"][model].get("stands_for") or ""
        for benchmark in block["benchmarks"]:
            paths = [root / attribution_checks_path(model, benchmark, seed) for seed in settings["seeds"]]
            records = [read_json(path) for path in paths]
            keys = {"model": stands_for, "benchmark": benchmark}
            top = f"top-{field(records[0], paths[0], 'top_k')}"
            shown = [
                (f"Overlap of the {top} experts, {pair}", [record["overlap"][pair] for record in records])
                + (published.value(folder, "v2_table8", "top6_overlap", **keys, pair=pair), "v2_table8")
                for pair in field(records[0], paths[0], "overlap")
            ]
            for name, which, printed in (("all", "all experts", "all"), ("top", f"{top} experts", "top-6")):
                found = [record["spearman"][name]["mean"] for record in records]
                said = published.value(folder, "v2_table11", "spearman", **keys, experts=printed)
                shown.append((f"Spearman, gate score and contribution, {which}", found, said, "v2_table11"))
            for row, found, said, source in shown:
                value, error = mean_and_error(found, [float("nan")])
                values.append(
                    {"row": row, "model": model, "stands_for": stands_for, "benchmark": benchmark, "quantity": "Value"}
                    | {"value": value, "standard_error": error, "seeds": len(found)}
                    | {"published": said, "published_in": source if said else ""}
                )
            where = labels.group(settings, model, benchmark)
            tokens.append(
                f"{where} {records[0]['tokens']['full']:,}, {records[0]['tokens']['subset']:,} in each subset"
            )
            lowest = min(record["spearman"]["all"]["least"] for record in records)
            least.append(f"{where} {lowest:.3f}")
    said = [
        "Overlap: mean over MoE layers of the share of top-K experts, by mean gate score, that two parts of the forget "
        "set have in common; K is the model's own, 6 in the paper. The two subsets have no block in common.",
        "Spearman: rank correlation in each layer of an expert's mean gate score with the mean norm of what it adds, "
        f"g * E(x); mean over MoE layers. Lowest layer, all experts: {'; '.join(least)}.",
        f"Forget tokens: {'; '.join(tokens)}.",
        notes.world(settings),
    ]
    title = (
        "Tables 8 and 11 of version 2. Attribution of experts: other texts, and contributions in place of gate scores"
    )
    return Table("v2_attribution", title, "Measure", tidy(values), said)
