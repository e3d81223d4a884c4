"""The sentences under a table: models and data, the rule that chose the checkpoints, errors, marks, commit."""

import pandas

from benchmarks.choice import OVERSHOT
from benchmarks.curve import MEASURABLE
from rendering import labels

WORLDS = {
    "micro": (
        "World: micro. Small models pre-trained here on invented facts; letters (A-D) cannot be learnt at this size, "
        "so multiple-choice tests score the text of the options (chance 0.25). Not comparable in size with the "
        "paper's models."
    ),
    "own_text": (
        "World: own text. A small model pre-trained here on the texts of a folder; multiple-choice tests score the "
        "text of the options (chance 0.25)."
    ),
    "paper": (
        "World: the real models and benchmarks; multiple-choice tests score the letters A-D (chance 0.25). RWKU: "
        "the mean of the means of levels 1 and 2."
    ),
}
RECALLS = {
    "rouge": " Recall as RWKU defines it (PyPI rouge, not rouge-score).",
    "rouge_score": " Recall by PyPI rouge-score, which is not RWKU's definition.",
}
CORRECTED = (
    "with UT* and FA* = chance (0 for ROUGE-L), Keep = clip((UT - UT*)/(UT0 - UT*), 0, 1) and "
    "Left = clip((FA - FA*)/(FA0 - FA*), 0, 1)"
)
RULES = {
    "balance": (
        f"Checkpoint: the largest Keep - Left, {CORRECTED}; step 0 excluded, ties to the earlier step. Chosen on one "
        "half of each test and reported on the other, then the reverse; both are averaged, so that all questions count."
    ),
    "at_forget_accuracy": (
        "Read off the run where FA falls to {threshold:g}, straight between the two checkpoints around it. Where FA "
        "falls by over a quarter of what was known between them, the lower one is shown (overshot: its FA is under "
        "{overshot:g}); not reached: no checkpoint has FA <= {threshold:g}, the lowest is shown."
    ),
    "as_published": (
        f"Checkpoint: the largest Keep - Left on the test itself, as the papers seem to choose, {CORRECTED}."
    ),
}
MEASURES = (
    "FA: forget accuracy, lower is better (WMDP: accuracy; RWKU: ROUGE-L recall of greedy answers); UT: utility, "
    "higher is better (MMLU accuracy). Pretrained: the untouched model on the same questions."
)
OWN_MEASURES = (
    "FA: ROUGE-L recall of greedy answers on cloze questions made from the passages of the subject to forget, lower is "
    "better. UT: the same on other subjects' passages, or MMLU accuracy; higher is better. Every sentence asked about "
    "was read in pre-training, none was asked about; the answer is begun with the words before the blank. Pretrained: "
    "the untouched model on the same questions."
)
NEVER_KNEW = "¶ never knew it: the pretrained model's FA is under {least}, so a low FA says nothing about forgetting."
BOLD = (
    "Bold: best of the rows compared with each other (an FA at or below chance counts as chance; collapsed runs do "
    "not take part). Differences of less than the errors shown mean nothing."
)
BOLD_AT_FORGET_ACCURACY = (
    "Bold: best utility of the rows that reached this FA. Differences of less than the errors shown mean nothing."
)
RED = "Red and ▼: utility more than 10 points below the pretrained model's, in our columns and the paper's."
RETRAINED = (
    "Retrained: pre-trained anew by the same recipe and seed (as many steps) without any document of the forget set: "
    "exact unlearning. Distance: of (FA, UT) to the retrained model's, sqrt((FA - FA_r)² + (UT - UT_r)²)."
)
DAGGER = "† collapsed: answers about what should be kept no longer depend on the questions; never bold."
NOTHING = (
    f"§ nothing measurable to forget (or lose): the pretrained model is under {MEASURABLE:g} standard errors above "
    "chance; the last step is shown."
)
OVER_FACTS = "over the test's questions, counted by fact (one seed: training anew is not in it)"
SEED = {  # what a seed draws anew
    "micro": "each draws world, models and order anew",
    "own_text": "each pre-trains and unlearns anew",
    "paper": "each unlearns anew, the model and the questions are the same",
}
RECONSTRUCTION = (
    "TRACE rows are a reconstruction: the paper's abstract says what is done (experts that forget text uses far more "
    "than retain text; retain losses reweighted by token so that these experts' frequencies match), not how; "
    "its detection rule, weight formula, forget loss and numbers were not available. workflow_scripts/"
    "weigh_retain_tokens.py says what was chosen here. Each row has its own tuned learning rate."
)


def world(settings: dict) -> str:
    text = WORLDS.get(settings["world"], f"World: {settings['world']}.")
    return text + "".join(RECALLS[name] for name in settings.get("recall", ()))


def rule(settings: dict) -> str:
    text = RULES[settings["block"].get("choice", "balance")]
    threshold = f"{settings.get('forget_accuracy', 0.27):g}"
    return text.replace("{threshold:g}", threshold).replace("{overshot:g}", f"{OVERSHOT:g}")


def ending(settings: dict, commit: str) -> str:
    return f"Study {settings['study']}, seeds {', '.join(map(str, settings['seeds']))}; commit {commit}."


def never_knew(settings: dict) -> str:
    least = dict.fromkeys(f"{bound['forget']:g}" for bound in settings["expected_to_know"].values())
    return NEVER_KNEW.replace("{least}", " or ".join(least))


def errors(settings: dict) -> str:
    if len(settings["seeds"]) == 1:
        return f"±: one standard error {OVER_FACTS}."
    n = len(settings["seeds"])
    return (
        f"±: one standard error over {n} seeds ({_drawn(settings)}): their standard deviation / sqrt({n}). The csv has "
        "each seed's value."
    )


def intervals(settings: dict) -> str:
    """What the brackets behind a difference are."""
    if len(settings["seeds"]) == 1:
        return f"Brackets: 95 % interval {OVER_FACTS}; none where a value is no mean over questions."
    n = len(settings["seeds"])
    return f"Brackets: 95 % interval by Student's t over {n} seeds ({_drawn(settings)}), of differences paired by seed."


def _drawn(settings: dict) -> str:
    return SEED.get(settings["world"], "each trains anew")


def question_counts(settings: dict, summary: pandas.DataFrame) -> str:
    """n of every test, in one sentence."""
    parts = []
    for (benchmark, forget, utility), _ in summary.groupby(["benchmark", "fa_n", "ut_n"], sort=False):
        shown = (" or ".join(map(str, counts)) for counts in (forget, utility))
        parts.append("{}: {} forget, {} utility questions".format(labels.benchmark(benchmark), *shown))
    per_seed = " for each seed" if len(settings["seeds"]) > 1 else ""
    return f"n{per_seed}: {'; '.join(parts)}."


def cell_notes(settings: dict, summary: pandas.DataFrame) -> list[str]:
    """Notes on cells whose checkpoint was not simply chosen."""
    sentences = []
    for row in summary.itertuples():
        runs = zip(row.statuses, row.notes, row.collapsed_runs, strict=True)
        texts = {note for status, note, collapsed in runs if status not in ("chosen", "reached") or collapsed}
        if texts:
            cell = labels.method_and_scope(row.method, row.scope)
            sentences.append(f"{cell}, {labels.group(settings, row.model, row.benchmark)}: {' '.join(sorted(texts))}")
    return sentences


def forget_text(settings: dict) -> str:
    """That scopes read different amounts of forget text, as where the papers give them different batches."""
    read = settings["forget_tokens"].items()
    parts = ", ".join(f"{labels.scope(scope)} {tokens:,}" for scope, tokens in read)
    return f"Not equal: tokens of forget text read up to the last step, by what trains: {parts}."


def random_draws(settings: dict, summary: pandas.DataFrame) -> str:
    """The single random draws behind a row that shows their mean."""
    parts = []
    pooled = summary[summary["draws"] > 1]
    for row in pooled.itertuples():
        fa, ut = (", ".join(f"{value:.3f}" for value in draws) for draws in (row.fa_draws, row.ut_draws))
        parts.append(f"{labels.group(settings, row.model, row.benchmark)} FA {fa} and UT {ut}")
    error = "their standard deviation" if len(settings["seeds"]) == 1 else "the error of the seeds' means"
    return f"‡ mean over {int(pooled['draws'].iloc[0])} random draws ± {error}: {'; '.join(parts)}."
