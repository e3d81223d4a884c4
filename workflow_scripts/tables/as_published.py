"""What each difference between the papers' text and the published code does, one switched at a time."""

from pathlib import Path

from evidence import results
from evidence.answers import Answers
from evidence.bootstrap import DRAWS, LEVEL, Case, draws, interval
from planning.needs import cells
from rendering import labels
from rendering.scores import Row, Table, score_table

# Variant (a method or a scope) -> what it varies, and how the published code has it.
SWITCHES = {
    "ga-negated-balance": ("ga", "load-balancing loss negated with the CE"),
    "gdiff-scrambled-retain": ("gdiff", "retain labels of another text"),
    "npo-policy-reference": ("npo", "reference is the policy"),
    "uoe-anchor-constant": ("uoe", "anchor without gradient"),
    "uoe-anchor-mean": ("uoe", "anchor: mean over experts"),
    "uoe-anchor-unmasked": ("uoe", "anchor: softmax over all experts"),
}
CODE = (
    "As published: what the released code does (zhmzm/SEUF, commit 5a5fdee), by reading it; that code was not run. One "
    "difference is switched at a time, everything else is as described, and the learning rate is the one tuned for "
    "the described method. Overlap: share of the original top-K experts still chosen on forget text, mean over MoE "
    "layers, at the checkpoint shown. Difference: UT less that of the described row, "
    f"middle {LEVEL:g} % of {DRAWS:,} bootstrap draws of questions (and seeds) in brackets."
)


def as_published(root: Path, settings: dict, folder: Path) -> Table:
    """FA, UT and overlap of each method as described and with each of the released code's differences."""
    rows, beside = [], []
    chosen = results.read_chosen(root, settings)
    for method, scope in dict.fromkeys(cell[2:] for cell in cells(settings["block"], settings["models"])):
        own_method, said = SWITCHES.get(method, (method, ""))
        own_scope, anchored = SWITCHES.get(scope, (scope, ""))
        described = labels.method_and_scope(own_method, own_scope)
        label = ", ".join([described, *(text for text in (said, anchored) if text)])
        rows.append(Row(label, method, scope, described, "table2", {"method": method, "scope": scope}))
        for (model, benchmark), runs in chosen[(chosen["method"] == method) & (chosen["scope"] == scope)].groupby(
            ["model", "benchmark"], sort=False
        ):
            found = [
                overlap_at(results.read_trajectory(root, model, benchmark, method, scope, run.seed), run.step)
                for run in runs.itertuples()
            ]
            marks = results.dagger(int(runs["collapsed"].sum()), len(runs))
            if (own_method, own_scope) != (method, scope):
                place = model, benchmark
                text = difference(root, settings, (*place, method, scope), (*place, own_method, own_scope))
                beside.append(
                    {"row": label, "model": model, "benchmark": benchmark, "method": method, "scope": scope}
                    | {"quantity": "Difference of UT", "text": text}
                )
            value, error = results.mean_and_error(found, [float("nan")])
            beside.append(
                {"row": label, "model": model, "benchmark": benchmark, "method": method, "scope": scope}
                | {"quantity": "Overlap", "value": value, "standard_error": error, "marks": marks}
            )
    title = "As described and as published: what each difference of the released code does"
    return score_table("as_published", title, "Method", root, settings, folder, rows, [CODE], beside)


def difference(root: Path, settings: dict, switched: tuple, described: tuple) -> str:
    """UT of one cell less that of another, with its interval; † where a run of one of the two has collapsed."""
    answers = Answers(root, settings["seeds"], settings["tests"])
    values = answers.shown(switched, "utility") - answers.shown(described, "utility")
    case = Case("", switched[0], answers.questions(switched[1], "utility"), values)
    low, high = interval(draws([case])[:, 0])
    broken = any(entry["collapsed"] for cell in (switched, described) for entry in answers.chosen(cell))
    return f"{case.mean:+.3f} [{low:+.3f}, {high:+.3f}]{'†' * broken}"


def overlap_at(trajectory: dict, step: int) -> float:
    """Mean overlap over MoE layers at the probe of a checkpoint's step."""
    (probe,) = (probe for probe in trajectory["probes"] if probe["step"] == step)
    return sum(probe["overlap"].values()) / len(probe["overlap"])
