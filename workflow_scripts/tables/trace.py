"""TRACE (arXiv 2606.10338), reconstructed: retain losses with and without its token weights."""

from pathlib import Path

from evidence.results import field
from jobs.files import read_json
from planning.needs import cells, token_weights_path
from rendering import labels
from rendering.scores import Row, Table, score_table

RECONSTRUCTION = (
    "TRACE rows are a reconstruction: the paper's abstract says what is done (experts that forget text uses far more "
    "than retain text; retain losses reweighted by token so that these experts' frequencies match), not how; "
    "its detection rule, weight formula, forget loss and numbers were not available. workflow_scripts/"
    "weigh_retain_tokens.py says what was chosen here. Each row has its own tuned learning rate."
)
PUBLISHED = "Values of the paper beside the other rows: Table 2 of UOE."


def trace(root: Path, settings: dict, folder: Path) -> Table:
    """Each forget loss with a retain term, as it is and with TRACE's token weights, in each scope."""
    rows = []
    for method, scope in dict.fromkeys(cell[2:] for cell in cells(settings["block"], settings["models"])):
        compared = f"{method.removesuffix('-trace')} {scope}"
        label = labels.method_and_scope(method, scope)
        rows.append(Row(label, method, scope, compared, "table2", {"method": method, "scope": scope}))
    pairs = list(dict.fromkeys(row.compared for row in rows))
    rows.sort(key=lambda row: pairs.index(row.compared))
    title = "TRACE (reconstruction): retain losses with and without weights of tokens"
    said = [RECONSTRUCTION, PUBLISHED, *_matches(root, settings)]
    return score_table("trace", title, "Method", root, settings, folder, rows, said)


def _matches(root: Path, settings: dict) -> list[str]:
    """How well the weighted frequencies match, for each model, benchmark and seed; every expert that does not."""
    block, said = settings["block"], []
    for model in block["models"]:
        for benchmark in block["benchmarks"]:
            for seed in settings["seeds"]:
                path = root / token_weights_path(block["token_weights"], model, benchmark, seed)
                record = read_json(path)
                experts, weights = field(record, path, "experts"), field(record, path, "weights")
                where = f"{labels.group(settings, model, benchmark)}, seed {seed}"
                if not experts:
                    said.append(f"{where}: no forget-critical expert, so all weights are 1.")
                    continue
                largest = max(abs(expert["residual"]) for expert in experts)
                left = [_describe(expert) for expert in experts if not expert["matched"]]
                used = {key: _range(experts, key) for key in ("forget", "retain", "weighted")}
                said.append(
                    f"{where}: {len(experts)} forget-critical experts, each used by {used['forget']} of the forget "
                    f"tokens, {used['retain']} of the retain tokens and {used['weighted']} of the weighted ones; "
                    f"largest residual {largest:.1e}; weights {weights['least']:.2f} to {weights['largest']:.2f}, "
                    f"effective share of tokens {weights['effective']:.2f}."
                    + (f" Not matched within the clip: {'; '.join(left)}." if left else "")
                )
    return said


def _range(experts: list[dict], key: str) -> str:
    values = sorted(expert[key] for expert in experts)
    return f"{values[0]:.3f}" if values[0] == values[-1] else f"{values[0]:.3f} to {values[-1]:.3f}"


def _describe(expert: dict) -> str:
    return (
        f"layer {expert['layer']} expert {expert['expert']} (wanted {expert['forget']:.3f}, reached "
        f"{expert['weighted']:.3f}, residual {expert['residual']:+.3f})"
    )
