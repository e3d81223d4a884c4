from rendering.scores import Study, Table, rows_of, score_table

TITLE = "RMU's baseline as version 2 sets it"
CAPTION = """**Version 2, appendix A.** RMU's baseline with this study's settings, with the retain weight and steering
that version 2 reports, and with all parameters trained, beside RMU with UOE."""
READS = ("CHOSEN", "RETRAINED")
PRINTED = {("rmu-v2", "baseline"): "baseline", ("rmu", "uoe"): "uoe"}
NOTE = (
    "Version 2's settings: its retain weight, and c less than this study's by the ratio of the two values that it "
    "gives, for RMU's baseline and with UOE; c counts in mean norms of the activations at the hook layer, which is not "
    "UOE's layer. The paper's values stand beside this row (version 2 repeats version 1's) and beside RMU+UOE, which "
    "keeps this study's settings. All parameters: whatever lies up to the hook layer trains, as in the other methods' "
    "baselines. Version 2 says that RMU's original settings fail on MoE models; as quoted for Mixtral these train one "
    "matrix of one expert in three layers, which is not run here. Each row has its own tuned learning rate."
)


def table(study: Study) -> Table:
    def keys(method: str, scope: str) -> dict:
        return {"method": "rmu", "scope": PRINTED.get((method, scope), "not printed")}

    rows = rows_of(study, "table2", compared=lambda method, scope: "rmu", keys=keys)
    return score_table(study, TITLE, "Method", rows, [NOTE])
