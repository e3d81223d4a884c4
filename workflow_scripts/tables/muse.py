from benchmarks.choice import mean_of_halves
from benchmarks.halves import HALVES
from benchmarks.scores import privacy_leakage
from evidence.study import Study, field
from evidence.summary import dagger
from planning import layout
from rendering.notes import RECONSTRUCTION
from rendering.scores import ORIGINAL, RETRAINED, rows_of, score_table
from rendering.table import Table, mean_value

TITLE = "MUSE-Books in the micro world"
CAPTION = """**MUSE-Books.** Generated books: reciting them (VerbMem), knowing what they tell (KnowMem, in FA's and UT's
place) and showing that they were read (PrivLeak, against the retrained model), for each method."""
READS = ("CHOSEN", "ORIGINAL", "RETRAINED")
MEMORISED = ("verbmem", "privleak")
MEASURES = (
    "MUSE-Books: FA is KnowMem on the forgotten books and UT KnowMem on the kept ones (ROUGE-L F1 of greedy answers to "
    "questions on facts that pre-training told but never asked). VerbMem ↓: ROUGE-L F1 of continuing forgotten "
    "chapters word for word. PrivLeak %, best at 0: (AUC - AUC_r)/AUC_r, AUC of Min-40% between forgotten chapters and "
    "chapters that nobody read, AUC_r the retrained model's; under 0 too little is forgotten, over 0 too much. The "
    "benchmark prints the first three times 100. "
)


def table(study: Study) -> Table:
    """A row a method and scope; of the variants with TRACE's token weights each is compared with its own loss."""
    rows = rows_of(study, "table2", compared=lambda method, scope: f"{method.removesuffix('-trace')} {scope}")
    beside = [value for label in (ORIGINAL, RETRAINED) for value in memorised(study, label)]
    beside += [value for row in rows for value in memorised(study, row.label, row.method, row.scope)]
    texts = [MEASURES] + [RECONSTRUCTION] * any(row.method.endswith("-trace") for row in rows)
    return score_table(study, TITLE, "Method", rows, texts, beside)


def memorised(study: Study, label: str, method: str = "", scope: str = "") -> list[dict]:
    values = []
    for model, benchmark in study.places():
        runs = [scores(study, label, (model, benchmark, method, scope), seed) for seed in study.seeds]
        retrained = [scores(study, RETRAINED, (model, benchmark), seed) for seed in study.seeds]
        verbatim = [run["verbmem"] for run in runs]
        pairs = zip(runs, retrained, strict=True)
        leakage = [privacy_leakage(*(scored["privleak"]["value"] for scored in pair)) for pair in pairs]
        common = {"row": label, "model": model, "benchmark": benchmark, "method": method, "scope": scope}
        common["marks"] = dagger(sum(run["collapsed"] for run in runs), len(runs))
        numbers = ([score[key] for score in verbatim] for key in ("value", "stderr"))
        values += [common | mean_value("VerbMem ↓", *numbers), common | mean_value("PrivLeak %", leakage)]
    return values


def scores(study: Study, label: str, cell: tuple, seed: int) -> dict:
    """VerbMem and PrivLeak's AUC, mean of the halves; whether the model has collapsed."""
    if label in (ORIGINAL, RETRAINED):
        pattern = layout.ORIGINAL if label == ORIGINAL else layout.RETRAINED
        path, checkpoint = study.path(pattern, cell, seed), study.read(pattern, cell, seed, "checkpoints")[0]
        halves = {name: [field(checkpoint["extra"], path, name, half) for half in HALVES] for name in MEMORISED}
        measured = {name: mean_of_halves(of_halves) for name, of_halves in halves.items()}
    else:
        path, checkpoint = study.path(layout.CHOSEN, cell, seed), study.chosen(cell, seed)
        measured = {name: field(checkpoint["extra"], path, name) for name in MEMORISED}
    return measured | {"collapsed": field(checkpoint, path, "collapsed")}
