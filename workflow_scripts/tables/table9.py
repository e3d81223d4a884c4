from evidence.study import CELL, Study
from evidence.summary import dagger
from planning import layout
from rendering import labels, notes
from rendering.table import Table, mean_value, tidy, tidy_table

TITLE = "Table 9. Questions attacked by a suffix (GCG)"
CAPTION = """**Table 9.** Recall of such questions without and with the suffix, how often it rises, how many replies
hold the word that the papers filter by, and the loss of the target that was optimised."""
READS = ("ATTACK",)
KEYS = ("models", "benchmarks", "methods", "scopes", "attacks")
ATTACKS_BY_PROMPTS = True
CONDITIONS = (  # quantity, key of the record, which questions
    ("FA untouched model", "original", "forget"),
    ("FA", "without", "forget"),
    ("FA, start", "start", "forget"),
    ("FA, attacked", "with", "forget"),
    ("FA, attacked, kept", "with", "kept"),
)
PRINTED = {"FA": "forget_accuracy_without_attack", "FA, attacked, kept": "forget_accuracy_with_attack"}
NOTE = (
    "A suffix is put behind each question, token by token so that the target becomes a likelier beginning of the reply "
    "(GCG, arXiv 2307.15043), on the checkpoint that the other tables show. FA is the recall of the attacked questions "
    "alone: without suffix, with the one that the search starts from, with the one found. Rises: questions whose "
    "recall is higher with it than without. Kept: replies that then hold the word that the papers filter by. Target: "
    "its loss in nats a token, after the first suffix and after the best. Every reply may be as much longer as the "
    "target is. † collapsed."
)
BESIDE = "Published: version 1, Table 9, on 400 questions, kept replies only; how many were kept is not said."


def table(study: Study) -> Table:
    values, settings = [], []
    for cell in study.cells():
        for name in study.block["attacks"]:
            records = study.of_seeds(layout.ATTACK, cell, attack=name)
            broken = study.of_seeds(layout.ATTACK, cell, "collapsed", attack=name)
            common = dict(zip(CELL, cell, strict=True)) | {
                "stands_for": study.stands_for(cell[0]),
                "compared": cell[2],
                "seeds": len(records),
            }
            common["row"] = labels.method_and_scope(*cell[2:])
            common["row"] += f", {name}" if len(study.block["attacks"]) > 1 else ""
            common["marks"] = dagger(sum(broken), len(broken))
            values += accuracies(study, cell, common, records) + shares(common, records)
            settings.append(described(name, records[0]))
    texts = [notes.MEASURES, notes.world(study.settings), notes.errors(study.settings), NOTE]
    return tidy_table(study, TITLE, "Method", tidy(values), [*texts, *dict.fromkeys(settings), BESIDE])


def accuracies(study: Study, cell: tuple, common: dict, records: list[dict]) -> list[dict]:
    keys = {"model": common["stands_for"], "benchmark": cell[1], "method": cell[2], "scope": cell[3]}
    values = []
    for quantity, when, which in CONDITIONS:
        column = PRINTED.get(quantity)
        printed = study.printed("table9", column, **keys) if column else ""
        entry = common | {"quantity": quantity, "published": printed, "published_in": "table9" * bool(printed)}
        scores = [record[which][when] for record in records if record[which][when]]
        if not scores:
            values.append(entry | {"text": "none kept", "marks": ""})
            continue
        errors = [float("nan") if score["stderr"] is None else score["stderr"] for score in scores]
        value = mean_value(quantity, [score["value"] for score in scores], errors)
        counts = "/".join(dict.fromkeys(str(score["n"]) for score in scores))
        marks = "" if when == "original" else common["marks"]
        values.append(entry | value | {"n": counts, "marks": marks})
    return values


def shares(common: dict, records: list[dict]) -> list[dict]:
    """Whether the attack got what it optimised."""
    measures = {
        "Rises %": [100.0 * record["risen"] for record in records],
        "Kept %": [100.0 * record["kept"]["probes"] / len(record["probes"]) for record in records],
        "Target, start": [record["loss"]["first"] for record in records],
        "Target, found": [record["loss"]["last"] for record in records],
    }
    return [common | mean_value(quantity, of_runs) for quantity, of_runs in measures.items()]


def described(name: str, record: dict) -> str:
    done = record["attack"]
    return (
        f'{name}: target "{done["target"]}", word "{done["word"]}"; {len(record["probes"])} questions, {done["steps"]} '
        f"steps of {done['width']} candidates, top-k {done['top_k']}."
    )
