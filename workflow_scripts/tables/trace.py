from evidence.study import Study
from planning import layout
from rendering import labels
from rendering.notes import RECONSTRUCTION
from rendering.scores import rows_of, score_table
from rendering.table import Table

TITLE = "TRACE (reconstruction): retain losses with and without weights of tokens"
CAPTION = """**TRACE (reconstruction).** Retain losses as they are and with weights of tokens, so that forget-critical
experts are used as often by retain text as by forget text."""
READS = ("CHOSEN", "RETRAINED", "TOKEN_WEIGHTS_RECORD")
KEYS = ("models", "benchmarks", "methods", "scopes", "token_weights")
PUBLISHED = "Values of the paper beside the other rows: Table 2 of UOE."


def table(study: Study) -> Table:
    rows = rows_of(study, "table2", compared=lambda method, scope: f"{method.removesuffix('-trace')} {scope}")
    pairs = list(dict.fromkeys(row.compared for row in rows))
    rows.sort(key=lambda row: pairs.index(row.compared))
    return score_table(study, TITLE, "Method", rows, [RECONSTRUCTION, PUBLISHED, *matches(study)])


def matches(study: Study) -> list[str]:
    """How well the weighted frequencies match, for each model, benchmark and seed; every expert that does not."""
    name, texts = study.block["token_weights"], []
    for place in study.places():
        for seed in study.seeds:
            file = layout.TOKEN_WEIGHTS_RECORD
            experts, weights = (study.read(file, place, seed, key, name=name) for key in ("experts", "weights"))
            where = f"{labels.group(study.settings, *place)}, seed {seed}"
            texts.append(f"{where}: {matched(experts, weights)}")
    return texts


def matched(experts: list[dict], weights: dict) -> str:
    if not experts:
        return "no forget-critical expert, so all weights are 1."
    largest = max(abs(expert["residual"]) for expert in experts)
    left = [described(expert) for expert in experts if not expert["matched"]]
    used = {key: span(experts, key) for key in ("forget", "retain", "weighted")}
    return (
        f"{len(experts)} forget-critical experts, each used by {used['forget']} of the forget "
        f"tokens, {used['retain']} of the retain tokens and {used['weighted']} of the weighted ones; "
        f"largest residual {largest:.1e}; weights {weights['least']:.2f} to {weights['largest']:.2f}, "
        f"effective share of tokens {weights['effective']:.2f}."
        + (f" Not matched within the clip: {'; '.join(left)}." if left else "")
    )


def span(experts: list[dict], key: str) -> str:
    values = sorted(expert[key] for expert in experts)
    return f"{values[0]:.3f}" if values[0] == values[-1] else f"{values[0]:.3f} to {values[-1]:.3f}"


def described(expert: dict) -> str:
    return (
        f"layer {expert['layer']} expert {expert['expert']} (wanted {expert['forget']:.3f}, reached "
        f"{expert['weighted']:.3f}, residual {expert['residual']:+.3f})"
    )
