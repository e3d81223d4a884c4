from rendering.scores import Study, Table, rows_of, score_table

TITLE = "Table 10. Strength α of the anchor loss (UOE, gradient ascent)"
CAPTION = """**Table 10.** Strength α of the anchor loss (UOE, gradient ascent)."""
READS = ("CHOSEN", "RETRAINED")


def table(study: Study) -> Table:
    def alpha(scope: str) -> str:
        return f"{study.settings['scopes'][scope].get('alpha', 1.0):g}"

    def keys(method: str, scope: str) -> dict:
        return {"method": method, "alpha": alpha(scope)}

    rows = rows_of(study, "table10", label=lambda method, scope: f"α = {alpha(scope)}", keys=keys)
    return score_table(study, TITLE, "Anchor", rows)
