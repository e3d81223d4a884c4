"""A study on texts of one's own: nothing is published that would compare."""

from evidence.study import Study
from evidence.summary import dagger
from rendering import labels
from rendering.scores import rows_of, score_table
from rendering.table import Table

TITLE = "Own text: methods without and with UOE, and with random experts"
CAPTION = """**Own text.** A micro model that was pre-trained on the files of a folder unlearns one of their subjects:
FA is its recall on cloze questions made from the subject's passages, UT the same on other subjects' passages, or MMLU
accuracy."""
READS = ("CHOSEN", "RETRAINED", "ORIGINAL")


def table(study: Study) -> Table:
    return score_table(study, TITLE, "Method", rows_of(study, "table2"), given_probes(study))


def given_probes(study: Study) -> list[str]:
    """A sentence on the probes that came with the files (test `rwku_test`), none without any: first benchmark, model
    and seed."""
    place, seed = study.places()[0], study.seeds[0]
    scores, marks = {"pretrained": study.original(*place, seed)["extra"].get("rwku", {}).get("all")}, {}
    for cell in study.cells():
        if cell[:2] == place:
            chosen, name = study.chosen(cell, seed, "balance"), labels.method_and_scope(*cell[2:])
            scores[name], marks[name] = chosen["extra"].get("rwku"), dagger(int(chosen["collapsed"]), 1)
    scores = {name: score for name, score in scores.items() if score}
    if not scores:
        return []
    listed = ", ".join(f"{name} {score['value']:.2f}{marks.get(name, '')}" for name, score in scores.items())
    count = next(iter(scores.values()))["n"]
    return [
        f"Recall on the {count} given probes of the subject, none worded as in the passages and none with "
        f"a begun answer: {listed}. A micro model knows its sentences word by word: what it could not say when "
        "pretrained was not forgotten."
    ]
