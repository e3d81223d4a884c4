"""The papers' tables from the files of a study: one function a table, each returning a `Table`.

Tables are numbered as in version 1 of the paper (arXiv 2411.18797v1).
"""

from collections.abc import Callable
from pathlib import Path

from evidence import published, results
from jobs.files import read_json
from planning.needs import cells
from rendering import labels, notes
from rendering.scores import Row, Table, score_table, tidy
from tables.architecture_table import table3_architectures
from tables.as_published import as_published
from tables.attacks import attacks
from tables.muse import muse
from tables.prompts import table9
from tables.second_version import controls, v2_attribution, v2_placements, v2_placements_rwku, v2_rmu
from tables.trace import trace


def table1(root: Path, settings: dict, folder: Path) -> Table:
    """GA when only some modules train. The paper's "Experts & Router" row is its GA baseline (all parameters)."""
    names = {
        "baseline": "All parameters (paper: Experts & Router)",
        "experts-routers": "Experts & routers only (ours)",
        "routers": "Routers only",
        "experts": "Experts only",
    }
    block = settings["block"]
    rows = [
        Row(names.get(scope, labels.scope(scope)), method, scope, method, "table1", {"method": method, "scope": scope})
        for method in block["methods"]
        for scope in block["scopes"]
    ]
    extra = [
        'The paper\'s "Experts & Router" row is its GA baseline: all parameters train, the numbers of Table 2. '
        "Experts & routers only is an extra row of ours."
    ]
    title = "Table 1. Gradient ascent when only some modules of the model train"
    return score_table("table1", title, "Trained modules", root, settings, folder, rows, extra)


def table2(root: Path, settings: dict, folder: Path) -> Table:
    """Each method without and with UOE."""
    title = "Table 2. Unlearning methods without and with UOE"
    rows = _rows("table2", settings, compared=lambda method: method)
    return score_table("table2", title, "Method", root, settings, folder, rows)


def quick(root: Path, settings: dict, folder: Path) -> Table:
    """A first look: a few cells of Table 2, with random experts beside; published values are Table 2's."""
    title = "A first look: methods without and with UOE, and with random experts"
    rows = _rows("table2", settings, compared=lambda method: method)
    return score_table("quick", title, "Method", root, settings, folder, rows)


def own_text(root: Path, settings: dict, folder: Path) -> Table:
    """A study on texts of one's own: nothing is published that would compare."""
    title = "Own text: methods without and with UOE, and with random experts"
    rows = _rows("table2", settings, compared=lambda method: method)
    return score_table("own_text", title, "Method", root, settings, folder, rows, _given_probes(root, settings))


def _given_probes(root: Path, settings: dict) -> list[str]:
    """A sentence on the probes that came with the files (test `rwku_test`), none without any: first benchmark, model
    and seed.
    """
    model, benchmark, seed = settings["block"]["models"][0], settings["block"]["benchmarks"][0], settings["seeds"][0]
    untouched = read_json(root / "models" / model / f"seed-{seed}" / "original" / f"{benchmark}.json")
    scores, marks = {"pretrained": untouched["checkpoints"][0]["extra"].get("rwku", {}).get("test")}, {}
    block = settings["block"] | {"models": [model], "benchmarks": [benchmark]}
    for _, _, method, scope in cells(block, settings["models"]):
        chosen = read_json(results.cell_folder(root, model, benchmark, method, scope, seed) / "chosen.json")["balance"]
        name = labels.method_and_scope(method, scope)
        scores[name], marks[name] = chosen["extra"].get("rwku"), results.dagger(int(chosen["collapsed"]), 1)
    found = {name: score for name, score in scores.items() if score}
    if not found:
        return []
    listed = ", ".join(f"{name} {score['value']:.2f}{marks.get(name, '')}" for name, score in found.items())
    count = next(iter(found.values()))["n"]
    return [
        f"Recall on the {count} given probes of the subject (test half), none worded as in the passages and none with "
        f"a begun answer: {listed}. A micro model knows its sentences word by word: what it could not say when "
        "pretrained was not forgotten."
    ]


def table4(root: Path, settings: dict, folder: Path) -> Table:
    """GA with parameter-efficient training."""
    title = "Table 4. UOE and other parameter-efficient training, gradient ascent"
    return score_table("table4", title, "Method", root, settings, folder, _rows("table4", settings))


def table6(root: Path, settings: dict, folder: Path) -> Table:
    """The expert of highest affinity against random experts of the same layer (mean over the draws)."""
    title = "Table 6. UOE and randomly chosen experts"
    return score_table("table6", title, "Method", root, settings, folder, _rows("table6", settings))


def table10(root: Path, settings: dict, folder: Path) -> Table:
    """Strength of the anchor loss."""
    block = settings["block"]
    rows = []
    for method in block["methods"]:
        for scope in block["scopes"]:
            alpha = f"{settings['scopes'][scope].get('alpha', 1.0):g}"
            rows.append(Row(f"α = {alpha}", method, scope, method, "table10", {"method": method, "alpha": alpha}))
    title = "Table 10. Strength α of the anchor loss (UOE, gradient ascent)"
    return score_table("table10", title, "Anchor", root, settings, folder, rows)


def table5(root: Path, settings: dict, folder: Path) -> Table:
    """Utility at FA ~ 0.25 when more experts train, in one layer; version 2 adds rows over several layers and with
    shared experts."""
    rows = _more_experts(root, settings, "table5", "v2_table2")
    title = "Table 5. Utility at FA ≈ 0.25 when different numbers of experts train (gradient ascent)"
    second = any(row.published_in != "table5" for row in rows)
    extra = ["Published, over several layers or with shared experts: version 2, Table 2."] if second else []
    return score_table("table5", title, "Trained", root, settings, folder, rows, extra)


def v2_table7(root: Path, settings: dict, folder: Path) -> Table:
    """The same on another model and benchmark (version 2 of the paper)."""
    rows = _more_experts(root, settings, "v2_table7", "v2_table7")
    title = "Table 7 of version 2. Utility at FA ≈ 0.25 when different numbers of experts train (gradient ascent)"
    return score_table("v2_table7", title, "Trained", root, settings, folder, rows)


def _more_experts(root: Path, settings: dict, one_layer: str, several: str) -> list[Row]:
    """A row a scope, named by how many experts the selections hold; where its value is published by its layers."""
    block, rows = settings["block"], []
    for method in block["methods"]:
        for scope in block["scopes"]:
            experts, layers = _trained_experts(root, settings, scope)
            place = "one layer" if layers == 1 else f"{layers} layers"
            label = f"{experts} expert{'s' if experts > 1 else ''}, {place}"
            source, keys = one_layer if layers == 1 else several, {"method": method, "experts": str(experts)}
            if settings["scopes"][scope].get("shared"):  # version 2 alone has it
                label, source, keys["experts"] = f"{label}, and its shared experts", several, f"{experts}+shared"
            if source.startswith("v2_"):  # version 2 prints both
                keys["placement"] = "same-layer" if layers == 1 else "different-layers"
            rows.append(Row(label, method, scope, method, source, keys))
    return rows


def table7(root: Path, settings: dict, folder: Path) -> Table:
    """Utility at FA ~ 0.25 by the affinity rank of the layer whose top expert trains (both from affinity.json)."""
    block, rows, beside = settings["block"], [], []
    for method in block["methods"]:
        for scope in block["scopes"]:
            places = {
                (model, benchmark): [_trained_layer(root, model, benchmark, scope, seed) for seed in settings["seeds"]]
                for model in block["models"]
                for benchmark in block["benchmarks"]
            }
            ranks = sorted({rank for found in places.values() for _, rank, _ in found})
            label = "/".join(f"#{rank}" for rank in ranks)
            keys = {"layer_rank": str(ranks[0])} if len(ranks) == 1 else {"layer_rank": "none"}
            rows.append(Row(label, method, scope, method, "table7", keys))
            for (model, benchmark), found in places.items():
                affinity, error = results.mean_and_error([a for _, _, a in found], [float("nan")])
                layers = ", ".join(str(layer) for layer in dict.fromkeys(layer for layer, _, _ in found))
                stands_for = settings["models"][model].get("stands_for") or ""
                printed = published.value(folder, "table7", "affinity", model=stands_for, benchmark=benchmark, **keys)
                common = {"row": label, "model": model, "benchmark": benchmark, "method": method, "scope": scope}
                beside.append(common | {"quantity": "Layer", "text": layers})
                beside.append(
                    common | {"quantity": "Affinity", "value": affinity, "standard_error": error, "published": printed}
                )
    title = "Table 7. Utility at FA ≈ 0.25 by the affinity rank of the trained layer (UOE, gradient ascent)"
    extra = [
        "Affinity: mean gate score of the layer's top expert on the forget set; Layer: its index in the model.",
        _unmatched_ranks(settings, folder, {row.published_keys["layer_rank"] for row in rows}),
    ]
    return score_table("table7", title, "Layer rank", root, settings, folder, rows, [e for e in extra if e], beside)


def table3(root: Path, settings: dict, folder: Path) -> Table:
    """Share of trained parameters, counted from what really trained."""
    counts, values, sizes = results.read_parameters(root, settings), [], []
    for (model, benchmark, method, scope), group in counts.groupby(results.KEYS, sort=False):
        percent, error = results.mean_and_error(list(group["percent"]), [float("nan")])
        stands_for = settings["models"][model].get("stands_for") or ""
        printed = published.value(folder, "table3", "tunable_percent", model=stands_for, scope=scope)
        values.append(
            {
                "row": labels.scope(scope),
                "compared": method,
                "model": model,
                "stands_for": stands_for,
                "benchmark": benchmark,
                "method": method,
                "scope": scope,
                "quantity": "Trained %",
                "value": percent,
                "standard_error": error,
                "seeds": len(group),
                "published": printed,
                "published_in": "table3" if printed else "",
            }
        )
        trained = " or ".join(f"{count:,}" for count in dict.fromkeys(group["trained"]))
        sizes.append(f"{labels.scope(scope)} {labels.model(settings, model)} {trained} of {group['total'].iloc[0]:,}")
    said = [
        "Trained parameters in percent of all parameters of the untouched model, counted from the tensors (of "
        "experts: slices) that trained.",
        f"Counts: {'; '.join(sizes)}.",
        notes.world(settings),
    ]
    if settings["world"] != "paper":
        said.append(
            "A micro model has few, and relatively large, experts: its shares are not expected to equal the paper's."
        )
    title = "Table 3. Share of parameters that train"
    return Table("table3", title, "Method", tidy(values), said)


TABLES: dict[str, Callable[[Path, dict, Path], Table]] = {
    "quick": quick,
    "table1": table1,
    "table2": table2,
    "table3": table3,
    "table3_architectures": table3_architectures,
    "table4": table4,
    "table5": table5,
    "table6": table6,
    "table7": table7,
    "v2_table7": v2_table7,
    "table10": table10,
    "own_text": own_text,
    "as_published": as_published,
    "trace": trace,
    "muse": muse,
    "controls": controls,
    "attacks": attacks,
    "table9": table9,
    "v2_placements": v2_placements,
    "v2_placements_rwku": v2_placements_rwku,
    "v2_attribution": v2_attribution,
    "v2_rmu": v2_rmu,
}


def _rows(name: str, settings: dict, compared: Callable[[str], str] = lambda method: "all") -> list[Row]:
    """A row for each method and scope of the block; the random draws are one row."""
    block = settings["block"]
    scopes = dict.fromkeys("random" if results.is_random(scope) else scope for scope in block["scopes"])
    return [
        Row(
            labels.method_and_scope(method, scope),
            method,
            scope,
            compared(method),
            name,
            {"method": method, "scope": scope},
        )
        for method in block["methods"]
        for scope in scopes
    ]


def _trained_experts(root: Path, settings: dict, scope: str) -> tuple[int, int]:
    """(experts, layers) that a scope trains, which must be the same in every model, benchmark and seed of a row."""
    block = settings["block"]
    counts = set()
    for model in block["models"]:
        for benchmark in block["benchmarks"]:
            for seed in settings["seeds"]:
                chosen = results.read_selection(root, model, benchmark, scope, seed)
                counts.add((sum(map(len, chosen.values())), len(chosen)))
    if len(counts) != 1:
        raise SystemExit(
            f"table5: scope {scope!r} trains different numbers of (experts, layers): {sorted(counts)}; one row "
            f"needs one"
        )
    return counts.pop()


def _trained_layer(root: Path, model: str, benchmark: str, scope: str, seed: int) -> tuple[int, int, float]:
    """(layer index, its rank by top-1 affinity, affinity of the trained expert) of a scope that trains one layer."""
    chosen = results.read_selection(root, model, benchmark, scope, seed)
    layers = results.read_affinity(root, model, benchmark, seed)["layers"]
    if len(chosen) != 1 or not set(chosen) <= set(layers):
        raise SystemExit(
            f"table7: scope {scope!r} of {model} trains layers {sorted(chosen)}; one MoE layer of {sorted(layers)} "
            f"is expected"
        )
    layer, experts = next(iter(chosen.items()))
    top = {index: max(values["gate_score"]) for index, values in layers.items()}
    rank = 1 + sorted(top, key=lambda index: (-top[index], index)).index(layer)
    return layer, rank, layers[layer]["gate_score"][experts[0]]


def _unmatched_ranks(settings: dict, folder: Path, shown: set[str]) -> str:
    frame = published.read(folder, "table7")
    real = {settings["models"][model].get("stands_for") for model in settings["block"]["models"]}
    rest = frame[frame["model"].isin(real) & ~frame["layer_rank"].isin(shown)]
    if rest.empty:
        return ""
    listed = "; ".join(f"#{row.layer_rank} affinity {row.affinity}, UT {row.utility}" for row in rest.itertuples())
    return f"Published ranks without a counterpart here: {listed}."
