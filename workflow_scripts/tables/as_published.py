from evidence.answers import Answers
from evidence.curves import overlap_at
from evidence.study import CELL, Study
from evidence.summary import dagger
from rendering import labels, notes
from rendering.scores import Row, score_table
from rendering.table import Table, bracketed, mean_value

TITLE = "As described and as published: what each difference of the released code does"
CAPTION = """**As described, as published.** What each difference between the papers' text and the released code does to
FA, UT and the overlap of expert choice, switched one at a time: load-balancing loss negated with the cross-entropy,
GDIFF's scrambled retain batch, NPO's reference being the model in training, and the anchor loss without gradient, as a
mean over experts, or of the whole softmax."""
READS = ("CHOSEN", "TRAJECTORY", "PREDICTIONS", "RETRAINED")
# Variant (a method or a scope) -> what it varies, and how the published code has it.
SWITCHES = {
    "ga-negated-balance": ("ga", "load-balancing loss negated with the CE"),
    "gdiff-scrambled-retain": ("gdiff", "retain labels of another text"),
    "npo-policy-reference": ("npo", "reference is the policy"),
    "rmu-unclipped": ("rmu", "gradient not clipped"),
    "uoe-anchor-constant": ("uoe", "anchor without gradient"),
    "uoe-anchor-mean": ("uoe", "anchor: mean over experts"),
    "uoe-anchor-unmasked": ("uoe", "anchor: softmax over all experts"),
}
NOTE = (
    "As published: what the released code does (zhmzm/SEUF, commit 5a5fdee), by reading it; that code was not run. One "
    "difference is switched at a time, everything else is as described, and the learning rate is the one tuned for "
    "the described method. Overlap: share of the original top-K experts still chosen on forget text, mean over MoE "
    "layers, at the checkpoint shown. Difference: UT less that of the described row."
)


def table(study: Study) -> Table:
    rows, beside = [], []
    for method, scope in study.rows():
        own_method, switched = SWITCHES.get(method, (method, ""))
        own_scope, anchored = SWITCHES.get(scope, (scope, ""))
        described = labels.method_and_scope(own_method, own_scope)
        label = ", ".join([described, *(text for text in (switched, anchored) if text)])
        rows.append(Row(label, method, scope, described, "table2", {"method": method, "scope": scope}))
        for cell in study.cells():
            if cell[2:] != (method, scope):
                continue
            common = {"row": label} | dict(zip(CELL, cell, strict=True))
            if (own_method, own_scope) != (method, scope):
                text = difference(study, cell, (*cell[:2], own_method, own_scope))
                beside.append(common | {"quantity": "Difference of UT", "text": text})
            runs = [study.chosen(cell, seed) for seed in study.seeds]
            steps = zip(study.seeds, runs, strict=True)
            overlaps = [overlap_at(study.trajectory(cell, seed), run["step"]) for seed, run in steps]
            marks = dagger(sum(run["collapsed"] for run in runs), len(runs))
            beside.append(common | mean_value("Overlap", overlaps) | {"marks": marks})
    return score_table(study, TITLE, "Method", rows, [NOTE, notes.intervals(study.settings)], beside)


def difference(study: Study, switched: tuple, described: tuple) -> str:
    """UT of one cell less that of another, with its interval; † where a run of one of the two has collapsed."""
    broken = any(study.chosen(cell, seed)["collapsed"] for cell in (switched, described) for seed in study.seeds)
    own, other = (Answers(study).shown(cell, "ut") for cell in (switched, described))
    return bracketed(own - other) + "†" * broken
