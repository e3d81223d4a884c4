"""The papers' tables from the files of a study: one function a table, each returning a `Table`.

Tables are numbered as in version 1 of the paper (arXiv 2411.18797v1).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas

from paper import labels, notes, published, results

HEAVY_LOSS = 0.10  # the papers print a utility in red when it lies more than 10 points below the pretrained model's
ORIGINAL = "Pretrained"


@dataclass(frozen=True)
class Table:
    """What is printed. `frame` is tidy, one row per printed value (columns: see `VALUE_COLUMNS`); `head` names the row labels."""

    name: str
    title: str
    head: str
    frame: pandas.DataFrame
    notes: list[str]


@dataclass(frozen=True)
class Row:
    """One row of a table: which method and scope, which rows its values are compared with, where the paper prints it."""

    label: str
    method: str
    scope: str
    compared: str
    published_in: str
    published_keys: dict


# compared: rows of one such group are compared for the best value. loss: pretrained UT - UT. marks: signs printed behind the value.
VALUE_COLUMNS = (
    "row compared model stands_for benchmark method scope quantity value standard_error text n seeds published published_in loss "
    "heavy_loss published_heavy_loss best marks collapsed status steps"
).split()


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
    extra = ['The paper\'s "Experts & Router" row is its GA baseline (all parameters train, the same numbers as in Table 2); '
             "experts & routers only is an extra row of ours."]  # fmt: skip
    title = "Table 1. Gradient ascent when only some modules of the model train"
    return _scores("table1", title, "Trained modules", root, settings, folder, rows, extra)


def table2(root: Path, settings: dict, folder: Path) -> Table:
    """Each method without and with UOE."""
    title = "Table 2. Unlearning methods without and with UOE"
    return _scores("table2", title, "Method", root, settings, folder, _rows("table2", settings, compared=lambda method: method))


def table4(root: Path, settings: dict, folder: Path) -> Table:
    """GA with parameter-efficient training."""
    title = "Table 4. UOE and other parameter-efficient training, gradient ascent"
    return _scores("table4", title, "Method", root, settings, folder, _rows("table4", settings))


def table6(root: Path, settings: dict, folder: Path) -> Table:
    """The expert of highest affinity against random experts of the same layer (mean over the draws)."""
    title = "Table 6. UOE and randomly chosen experts"
    return _scores("table6", title, "Method", root, settings, folder, _rows("table6", settings))


def table10(root: Path, settings: dict, folder: Path) -> Table:
    """Strength of the anchor loss."""
    block = settings["block"]
    rows = []
    for method in block["methods"]:
        for scope in block["scopes"]:
            alpha = f"{settings['scopes'][scope].get('alpha', 1.0):g}"
            rows.append(Row(f"α = {alpha}", method, scope, method, "table10", {"method": method, "alpha": alpha}))
    title = "Table 10. Strength α of the anchor loss (UOE, gradient ascent)"
    return _scores("table10", title, "Anchor", root, settings, folder, rows)


def table5(root: Path, settings: dict, folder: Path) -> Table:
    """Utility at FA ~ 0.25 when more experts train; how many is counted in the selections."""
    block, rows = settings["block"], []
    for method in block["methods"]:
        for scope in block["scopes"]:
            experts, layers = _trained_experts(root, settings, scope)
            place = "one layer" if layers == 1 else f"{layers} layers"
            label = f"{experts} expert{'s' if experts > 1 else ''}, {place}"
            if layers == 1:
                source, keys = "table5", {"method": method, "experts": str(experts)}
            else:  # version 2 only
                source = "v2_table2"
                keys = {"method": method, "experts": str(experts), "placement": "different-layers"}
            rows.append(Row(label, method, scope, method, source, keys))
    title = "Table 5. Utility at FA ≈ 0.25 when different numbers of experts train (gradient ascent)"
    extra = ["Published value of the row over several layers: version 2, Table 2."] if any(r.published_in != "table5" for r in rows) else []
    return _scores("table5", title, "Trained", root, settings, folder, rows, extra)


def table7(root: Path, settings: dict, folder: Path) -> Table:
    """Utility at FA ~ 0.25 by the affinity rank of the layer whose top expert trains; rank and affinity come from affinity.json."""
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
                beside.append(common | {"quantity": "Affinity", "value": affinity, "standard_error": error, "published": printed})
    title = "Table 7. Utility at FA ≈ 0.25 by the affinity rank of the trained layer (UOE, gradient ascent)"
    extra = ["Affinity: mean gate score of the layer's top expert on the forget set; Layer: its index in the model.",
             _unmatched_ranks(settings, folder, {row.published_keys["layer_rank"] for row in rows})]  # fmt: skip
    return _scores("table7", title, "Layer rank", root, settings, folder, rows, [e for e in extra if e], beside)


def table3(root: Path, settings: dict, folder: Path) -> Table:
    """Share of trained parameters, counted from what really trained."""
    counts, values, sizes = results.read_parameters(root, settings), [], []
    for (model, benchmark, method, scope), group in counts.groupby(results.KEYS, sort=False):
        percent, error = results.mean_and_error(list(group["percent"]), [float("nan")])
        stands_for = settings["models"][model].get("stands_for") or ""
        printed = published.value(folder, "table3", "tunable_percent", model=stands_for, scope=scope)
        values.append({
            "row": labels.scope(scope), "compared": method, "model": model, "stands_for": stands_for, "benchmark": benchmark,
            "method": method, "scope": scope, "quantity": "Trained %", "value": percent, "standard_error": error,
            "seeds": len(group), "published": printed, "published_in": "table3" if printed else "",
        })  # fmt: skip
        trained = " or ".join(f"{count:,}" for count in dict.fromkeys(group["trained"]))
        sizes.append(f"{labels.scope(scope)} {labels.model(settings, model)} {trained} of {group['total'].iloc[0]:,}")
    said = [
        "Trained parameters in percent of all parameters of the untouched model, counted from the tensors (of experts: slices) that trained.",
        f"Counts: {'; '.join(sizes)}.",
        notes.world(settings),
    ]
    if settings["world"] != "paper":
        said.append("A micro model has few, and relatively large, experts: its shares are not expected to equal the paper's.")
    title = "Table 3. Share of parameters that train"
    return Table("table3", title, "Method", _tidy(values), said)


TABLES: dict[str, Callable[[Path, dict, Path], Table]] = {
    "table1": table1, "table2": table2, "table3": table3, "table4": table4, "table5": table5, "table6": table6, "table7": table7,
    "table10": table10,
}  # fmt: skip


def _rows(name: str, settings: dict, compared: Callable[[str], str] = lambda method: "all") -> list[Row]:
    """A row for each method and scope of the block; the random draws are one row."""
    block = settings["block"]
    scopes = dict.fromkeys("random" if results.is_random(scope) else scope for scope in block["scopes"])
    return [
        Row(labels.method_and_scope(method, scope), method, scope, compared(method), name, {"method": method, "scope": scope})
        for method in block["methods"]
        for scope in scopes
    ]


def _scores(
    name: str, title: str, head: str, root: Path, settings: dict, folder: Path, rows: list[Row], extra: list[str] | None = None,
    beside: list[dict] | None = None,
) -> Table:  # fmt: skip
    """A table of FA and UT for each model and benchmark, the pretrained model first; `beside` are more values of the same rows."""
    every_cell = results.summarise(results.read_chosen(root, settings))
    summary = results.pool_draws(every_cell) if every_cell["scope"].map(results.is_random).any() else every_cell
    at_threshold = settings["block"].get("choice") == "at_forget_accuracy"
    values = []
    for (model, benchmark), group in summary.groupby(["model", "benchmark"], sort=False):
        stands_for = settings["models"][model].get("stands_for") or ""
        place = {"model": model, "stands_for": stands_for, "benchmark": benchmark}
        values += _original_values(group.iloc[0], place, folder, name)
        for row in rows:
            for cell in group[(group["method"] == row.method) & (group["scope"] == row.scope)].to_dict("records"):
                values += _cell_values(row, cell, place, folder, at_threshold)
    frame = _tidy((beside or []) + values)
    _mark_heavy_losses(frame)
    _mark_best(frame, summary, at_threshold)
    return Table(name, title, head, frame, _score_notes(settings, summary, every_cell, frame, extra or []))


def _original_values(cell: pandas.Series, place: dict, folder: Path, name: str) -> list[dict]:
    source = name if name in ("table1", "table2", "table4", "table6") else ""  # the others do not print the pretrained model
    found = []
    for quantity, short, column in (("FA", "fa", "forget_accuracy"), ("UT", "ut", "utility")):
        keys = {"model": place["stands_for"], "benchmark": place["benchmark"], "method": "original", "scope": "none"}
        printed = published.value(folder, source, column, **keys) if source else ""
        found.append(place | {
            "row": ORIGINAL, "compared": "", "method": "original", "scope": "none", "quantity": quantity,
            "value": cell[f"{short}0"], "standard_error": cell[f"{short}0_se"], "n": _counts(cell[f"{short}0_n"]),
            "seeds": cell["seeds"], "published": printed, "published_in": source if printed else "",
        })  # fmt: skip
    return found


def _cell_values(row: Row, cell: dict, place: dict, folder: Path, at_threshold: bool) -> list[dict]:
    runs = len(cell["statuses"])
    draws = cell.get("draws", 1)
    marks = ""
    if cell["collapsed"]:
        marks += "†" if runs == 1 else f"†{cell['collapsed']}/{runs}"
    if "nothing measurable" in cell["statuses"]:
        marks += "§"
    if draws == draws and draws > 1:  # NaN where no draws were pooled
        marks += "‡"
    common = place | {
        "row": row.label, "compared": row.compared, "method": row.method, "scope": row.scope, "seeds": cell["seeds"], "marks": marks,
        "collapsed": f"{cell['collapsed']}/{runs}", "status": _statuses(cell["statuses"]), "steps": _counts(cell["steps"]),
    }  # fmt: skip
    found = []
    for quantity, short, column in (("FA", "fa", "forget_accuracy"), ("UT", "ut", "utility")):
        keys = {"model": place["stands_for"], "benchmark": place["benchmark"]} | row.published_keys
        printed = published.value(folder, row.published_in, column, **keys)
        found.append(common | {
            "quantity": quantity, "value": cell[short], "standard_error": cell[f"{short}_se"], "n": _counts(cell[f"{short}_n"]),
            "published": printed, "published_in": row.published_in if printed else "",
            "loss": cell["ut0"] - cell["ut"] if quantity == "UT" else float("nan"),
        })  # fmt: skip
    if at_threshold:
        found.append(common | {"quantity": "FA ≈ 0.25", "text": common["status"], "marks": ""})
    return found


def _counts(values: tuple) -> str:
    return "/".join(map(str, dict.fromkeys(values)))


def _statuses(statuses: tuple[str, ...]) -> str:
    """"reached", or with several runs that differ "reached 2/3, overshot 1/3"."""
    if len(set(statuses)) == 1:
        return statuses[0]
    return ", ".join(f"{status} {statuses.count(status)}/{len(statuses)}" for status in dict.fromkeys(statuses))


def _tidy(values: list[dict]) -> pandas.DataFrame:
    defaults = dict.fromkeys(VALUE_COLUMNS, "")
    defaults |= {"value": float("nan"), "standard_error": float("nan"), "loss": float("nan")}
    defaults |= {"heavy_loss": False, "published_heavy_loss": False, "best": False}
    return pandas.DataFrame([defaults | value for value in values], columns=VALUE_COLUMNS)


def _mark_heavy_losses(frame: pandas.DataFrame) -> None:
    """Ours: loss > 10 points. The paper's: the same against the pretrained value that it prints in the same table."""
    frame["heavy_loss"] = frame["loss"].fillna(0.0) > HEAVY_LOSS + 1e-9
    utilities = frame[(frame["quantity"] == "UT") & (frame["published"] != "")]
    for _, group in utilities.groupby(["model", "benchmark"], sort=False):
        original = group[group["row"] == ORIGINAL]["published"]
        if not original.empty:
            losses = float(original.iloc[0]) - group["published"].astype(float)
            frame.loc[group.index, "published_heavy_loss"] = losses > HEAVY_LOSS + 1e-9


def _mark_best(frame: pandas.DataFrame, summary: pandas.DataFrame, at_threshold: bool) -> None:
    """Lowest FA (not below chance) and highest UT of the rows compared; neither collapsed nor unmeasurable rows take part.

    At FA ~ 0.25 only UT is compared, and only where that FA was reached.
    """
    chance = {(row.model, row.benchmark): row.fa_chance for row in summary.itertuples()}
    sound = ~frame["marks"].str.contains("[†§]") & (frame["row"] != ORIGINAL)
    if at_threshold:
        sound &= frame["status"] == "reached"
    for (model, benchmark, _, quantity), group in frame[sound].groupby(["model", "benchmark", "compared", "quantity"], sort=False):
        if quantity == "FA" and not at_threshold:
            floored = group["value"].clip(lower=chance[model, benchmark])
            frame.loc[group.index, "best"] = floored <= floored.min() + 1e-9
        elif quantity == "UT":
            frame.loc[group.index, "best"] = group["value"] >= group["value"].max() - 1e-9


def _score_notes(
    settings: dict, summary: pandas.DataFrame, every_cell: pandas.DataFrame, frame: pandas.DataFrame, extra: list[str]
) -> list[str]:
    bold = notes.BOLD[settings["block"].get("choice", "balance")]
    said = [notes.MEASURES, notes.world(settings), notes.rule(settings)]
    said += [notes.errors(settings), notes.question_counts(settings, summary), bold, notes.RED]
    marks = "".join(frame["marks"])
    said += [text for sign, text in (("†", notes.DAGGER), ("§", notes.NOTHING)) if sign in marks]
    if "‡" in marks:
        said.append(_describe_draws(settings, summary))
    return said + extra + notes.cell_remarks(settings, every_cell)


def _describe_draws(settings: dict, summary: pandas.DataFrame) -> str:
    parts = []
    pooled = summary[summary["draws"] > 1]
    for row in pooled.itertuples():
        values = " and ".join(
            f"{name} {', '.join(f'{value:.3f}' for value in draws)}" for name, draws in (("FA", row.fa_draws), ("UT", row.ut_draws))
        )
        parts.append(f"{labels.group(settings, row.model, row.benchmark)} {values}")
    return f"‡ mean over {int(pooled['draws'].iloc[0])} random draws ± their standard deviation: {'; '.join(parts)}."


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
        raise SystemExit(f"table5: scope {scope!r} trains different numbers of (experts, layers): {sorted(counts)}; one row needs one")
    return counts.pop()


def _trained_layer(root: Path, model: str, benchmark: str, scope: str, seed: int) -> tuple[int, int, float]:
    """(layer index, its rank by top-1 affinity, affinity of the trained expert) of a scope that trains one layer."""
    chosen = results.read_selection(root, model, benchmark, scope, seed)
    layers = results.read_affinity(root, model, benchmark, seed)["layers"]
    if len(chosen) != 1 or not set(chosen) <= set(layers):
        raise SystemExit(f"table7: scope {scope!r} of {model} trains layers {sorted(chosen)}; one MoE layer of {sorted(layers)} is expected")
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
