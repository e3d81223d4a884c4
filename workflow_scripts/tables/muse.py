"""MUSE-Books: VerbMem, KnowMem and PrivLeak of each method, of the untouched and of the retrained model."""

from pathlib import Path

from benchmarks.scores import privacy_leakage
from evidence.results import cell_folder, dagger, field, mean_and_error
from jobs.files import read_json
from planning.needs import cells
from rendering import labels
from rendering.scores import ORIGINAL, RETRAINED, Row, Table, score_table
from tables.trace import RECONSTRUCTION

MEASURES = (
    "MUSE-Books: FA is KnowMem on the forgotten books and UT KnowMem on the kept ones (ROUGE-L F1 of greedy answers to "
    "questions on facts that pre-training told but never asked). VerbMem ↓: ROUGE-L F1 of continuing forgotten "
    "chapters word for word. PrivLeak %, best at 0: (AUC - AUC_r)/AUC_r, AUC of Min-40% between forgotten chapters and "
    "chapters that nobody read, AUC_r the retrained model's; under 0 too little is forgotten, over 0 too much. The "
    "benchmark prints the first three times 100. Learning rates are those tuned on the study's tuning benchmark."
)


def muse(root: Path, settings: dict, folder: Path) -> Table:
    """A row a method and scope; of the variants with TRACE's token weights each is compared with its own loss."""
    rows, beside = [], []
    for label in (ORIGINAL, RETRAINED):
        beside += _values(root, settings, label)
    for method, scope in dict.fromkeys(cell[2:] for cell in cells(settings["block"], settings["models"])):
        label = labels.method_and_scope(method, scope)
        compared = f"{method.removesuffix('-trace')} {scope}"
        rows.append(Row(label, method, scope, compared, "table2", {"method": method, "scope": scope}))
        beside += _values(root, settings, label, method, scope)
    title = "MUSE-Books in the micro world"
    said = [MEASURES] + [RECONSTRUCTION] * any(row.method.endswith("-trace") for row in rows)
    return score_table("muse", title, "Method", root, settings, folder, rows, said, beside)


def _values(root: Path, settings: dict, label: str, method: str = "", scope: str = "") -> list[dict]:
    """VerbMem and PrivLeak of one row, for each model and benchmark, over seeds."""
    found = []
    for model in settings["block"]["models"]:
        for benchmark in settings["block"]["benchmarks"]:
            verbatim, leakage, broken = [], [], []
            for seed in settings["seeds"]:
                retrained = _scores(root / "retrained" / model / benchmark / f"seed-{seed}" / "scores.json")
                if label == ORIGINAL:
                    own = _scores(root / "models" / model / f"seed-{seed}" / "original" / f"{benchmark}.json")
                elif label == RETRAINED:
                    own = retrained
                else:
                    path = cell_folder(root, model, benchmark, method, scope, seed) / "chosen.json"
                    chosen = field(read_json(path), path, settings["block"].get("choice", "balance"))
                    own = {name: field(chosen["extra"], path, name) for name in ("verbmem", "privleak")}
                    own["collapsed"] = field(chosen, path, "collapsed")
                broken.append(own["collapsed"])
                verbatim.append(own["verbmem"])
                leakage.append(privacy_leakage(own["privleak"]["value"], retrained["privleak"]["value"]))
            common = {"row": label, "model": model, "benchmark": benchmark, "method": method, "scope": scope}
            common["marks"] = dagger(sum(broken), len(broken))
            value, error = mean_and_error([s["value"] for s in verbatim], [s["stderr"] for s in verbatim])
            found.append(common | {"quantity": "VerbMem ↓", "value": value, "standard_error": error})
            value, error = mean_and_error(leakage, [float("nan")])
            found.append(common | {"quantity": "PrivLeak %", "value": value, "standard_error": error})
    return found


def _scores(path: Path) -> dict:
    """VerbMem and PrivLeak's AUC of one model, on the half that is reported; whether it has collapsed."""
    checkpoint = field(read_json(path), path, "checkpoints")[0]
    scores = {name: field(checkpoint["extra"], path, name, "test") for name in ("verbmem", "privleak")}
    return scores | {"collapsed": field(checkpoint, path, "collapsed")}
