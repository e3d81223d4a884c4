"""Tables 8 and 9: questions attacked by a suffix that gradients found (GCG)."""

from pathlib import Path

import pandas

from evidence import published
from evidence.results import dagger, field, mean_and_error
from jobs.files import read_json
from planning.needs import attack_path, cells
from rendering import labels, notes
from rendering.scores import Table, tidy
from rendering.styling import Wide, sentences

EXAMPLES = 2  # of each cell; the paper prints two in all
WIDTHS = (0.22, 0.09, 0.13, 0.13, 0.16, 0.15)
CONDITIONS = (  # quantity, key of the record, which questions
    ("FA untouched model", "original", "forget"),
    ("FA", "without", "forget"),
    ("FA, start", "start", "forget"),
    ("FA, attacked", "with", "forget"),
    ("FA, attacked, kept", "with", "kept"),
)
PRINTED = {"FA": "forget_accuracy_without_attack", "FA, attacked, kept": "forget_accuracy_with_attack"}
SAID = (
    "A suffix is put behind each question, token by token so that the target becomes a likelier beginning of the reply "
    "(GCG, arXiv 2307.15043), on the checkpoint that the other tables show. FA is the recall of the attacked questions "
    "alone: without suffix, with the one that the search starts from, with the one found. Rises: questions whose "
    "recall is higher with it than without. Kept: replies that then hold the word that the papers filter by. Target: "
    "its loss in nats a token, after the first suffix and after the best. Every reply may be as much longer as the "
    "target is. † collapsed."
)
BESIDE = "Published: version 1, Table 9, on 400 questions, kept replies only; how many were kept is not said."


def table9(root: Path, settings: dict, folder: Path) -> Table:
    """Forget accuracy with and without attack, and whether the attack got what it optimised."""
    block, values, described = settings["block"], [], []
    for model, benchmark, method, scope in cells(block, settings["models"]):
        stands_for = settings["models"][model].get("stands_for") or ""
        keys = {"model": stands_for, "benchmark": benchmark, "method": method, "scope": scope}
        for name in block["attacks"]:
            paths = [root / attack_path(model, benchmark, method, scope, seed, name) for seed in settings["seeds"]]
            records = [read_json(path) for path in paths]
            collapsed = sum(field(record, path, "collapsed") for record, path in zip(records, paths, strict=True))
            mark = dagger(collapsed, len(records))
            common = keys | {"model": model, "stands_for": stands_for, "compared": method, "seeds": len(records)}
            common |= {"row": labels.method_and_scope(method, scope)}
            common["row"] += f", {name}" if len(block["attacks"]) > 1 else ""
            for quantity, when, which in CONDITIONS:
                column = PRINTED.get(quantity)
                printed = published.value(folder, "table9", column, **keys) if column else ""
                scores = [record[which][when] for record in records if record[which][when]]
                entry = common | {"quantity": quantity, "published": printed, "published_in": "table9" * bool(printed)}
                if not scores:
                    values.append(entry | {"text": "none kept"})
                    continue
                errors = [float("nan") if score["stderr"] is None else score["stderr"] for score in scores]
                value, error = mean_and_error([score["value"] for score in scores], errors)
                counts = "/".join(dict.fromkeys(str(score["n"]) for score in scores))
                marks = "" if when == "original" else mark
                values.append(entry | {"value": value, "standard_error": error, "n": counts, "marks": marks})
            shares = {
                "Rises %": [100.0 * record["risen"] for record in records],
                "Kept %": [100.0 * record["kept"]["probes"] / len(record["probes"]) for record in records],
                "Target, start": [record["loss"]["first"] for record in records],
                "Target, found": [record["loss"]["last"] for record in records],
            }
            for quantity, found in shares.items():
                value, error = mean_and_error(found, [float("nan")])
                values.append(common | {"quantity": quantity, "value": value, "standard_error": error, "marks": mark})
            described.append(_described(name, records[0]))
    said = [notes.MEASURES, notes.world(settings), notes.errors(settings), SAID, *dict.fromkeys(described), BESIDE]
    return Table("table9", "Table 9. Questions attacked by a suffix (GCG)", "Method", tidy(values), said)


def _described(name: str, record: dict) -> str:
    done = record["attack"]
    return (
        f'{name}: target "{done["target"]}", word "{done["word"]}"; {len(record["probes"])} questions, {done["steps"]} '
        f"steps of {done['width']} candidates, top-k {done['top_k']}."
    )


def table8(root: Path, settings: dict) -> tuple[Wide, pandas.DataFrame, str, list[str]]:
    """Examples: questions with the untouched model's reply, and the unlearned one's without and with the suffix.

    Of each cell the first questions by the record's order, which a hash of the question made: nobody picked them.
    """
    rows, (seed,) = [], settings["seeds"]
    for model, benchmark, method, scope in cells(settings["block"], settings["models"]):
        for name in settings["block"]["attacks"]:
            path = root / attack_path(model, benchmark, method, scope, seed, name)
            record = read_json(path)
            mark = "†" * field(record, path, "collapsed")
            for probe in field(record, path, "probes")[:EXAMPLES]:
                where = f"{labels.group(settings, model, benchmark)}, {labels.method_and_scope(method, scope)}{mark}"
                texts = [probe["replies"][when] for when in ("original", "without", "with")]
                shown = [f"{where}: {probe['query']}", probe["answer"], *texts, probe["suffix"].strip()]
                rows.append([text or "(nothing)" for text in shown])
    heads = ["Question", "Answer", "Untouched model", "Without attack", "With attack", "Suffix"]
    frame = pandas.DataFrame(rows, columns=heads)
    said = [
        f"The first {EXAMPLES} questions of each cell, in the order of a hash; seed {seed}. See Table 9. † collapsed."
    ]
    return sentences(frame, WIDTHS), frame, "Table 8. Replies to questions attacked by a suffix (GCG)", said
