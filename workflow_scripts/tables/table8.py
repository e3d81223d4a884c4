import pandas

from evidence.study import Study
from planning import layout
from rendering import labels, notes
from rendering.table import Table, flat

TITLE = "Table 8. Replies to questions attacked by a suffix (GCG)"
CAPTION = """**Table 8.** Questions attacked by a suffix that gradients found (GCG): the untouched model's reply, and
the unlearned one's without and with the suffix."""
READS = ("ATTACK",)
KEYS = ("models", "benchmarks", "methods", "scopes", "attacks")
ATTACKS_BY_PROMPTS = True
FIRST_SEED_ONLY = True
EXAMPLES = 2  # of each cell; the paper prints two in all
HEADS = ("Question", "Answer", "Untouched model", "Without attack", "With attack", "Suffix")
WIDTHS = (0.22, 0.09, 0.13, 0.13, 0.16, 0.15)


def table(study: Study) -> Table:
    """Of each cell the first questions by the record's order, which a hash of the question made: nobody picked them."""
    rows, (seed,) = [], study.seeds
    for cell in study.cells():
        for name in study.block["attacks"]:
            mark = "†" * study.read(layout.ATTACK, cell, seed, "collapsed", attack=name)
            where = f"{labels.group(study.settings, *cell[:2])}, {labels.method_and_scope(*cell[2:])}{mark}"
            for probe in study.read(layout.ATTACK, cell, seed, "probes", attack=name)[:EXAMPLES]:
                replies = [probe["replies"][when] for when in ("original", "without", "with")]
                texts = [f"{where}: {probe['query']}", probe["answer"], *replies, probe["suffix"].strip()]
                rows.append([text or "(nothing)" for text in texts])
    frame = pandas.DataFrame(rows, columns=list(HEADS))
    note = f"The first {EXAMPLES} questions of each cell, in the order of a hash; seed {seed}. See Table 9. "
    return Table(TITLE, frame, flat(frame, WIDTHS), [f"{note}† collapsed.", notes.world(study.settings)])
