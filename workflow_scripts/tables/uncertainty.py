import numpy
import pandas

from evidence.answers import Answers
from evidence.bootstrap import DRAWS, Case, described, draws, interval
from evidence.matched import TOLERANCE, matched_steps
from evidence.study import CELL, TESTS, Study
from rendering import labels, notes
from rendering.table import Table, flat

TITLE = "Utility with and without UOE at equal forgetting"
CAPTION = """**At equal forgetting.** Each method without and with UOE at checkpoints whose FA is the same within 5
points: differences of FA and UT with bootstrap intervals, paired by question and seed."""
READS = ("METRICS", "PREDICTIONS")
HEADS = ("Model", "Pair", "FA alone", "FA UOE", "FA difference", "UT alone", "UT UOE", "UT difference")
NOTE = (
    "Two checkpoints are compared that have forgotten equally much: of all pairs whose FA differs by at most "
    f"{100 * TOLERANCE:g} points on the development half, none collapsed, the one that has forgotten most. FA and UT "
    "are those of the other half, their differences UOE's less the unmodified method's; bold: the interval excludes 0. "
    "No common FA: no such pair, in at least one seed."
)


def table(study: Study) -> Table:
    rows, cases = [], []
    for cell in study.cells():
        if cell[3] != "baseline":
            row, compared = compare(study, cell)
            cases += [(len(rows), quantity, case) for quantity, case in compared.items()]
            rows.append(row)
    drawn = draws([case for _, _, case in cases]) if cases else numpy.empty((DRAWS, 0))
    for column, (number, quantity, case) in enumerate(cases):
        low, high = interval(drawn[:, column])
        rows[number] |= {f"{quantity}_difference": case.mean, f"{quantity}_low": low, f"{quantity}_high": high}
    if cases:
        rows.append(mean_row(rows, cases, drawn))
    frame = pandas.DataFrame(rows)
    texts = [NOTE, described(study.seeds), notes.world(study.settings)]
    return Table(TITLE, frame, differences(frame, study), texts)


def compare(study: Study, cell: tuple) -> tuple[dict, dict[str, Case]]:
    """Row of one cell against its baseline, and the differences of FA and UT where both have forgotten equally much."""
    answers, other = Answers(study), (*cell[:3], "baseline")
    row = dict(zip(CELL, cell, strict=True)) | {"steps": ""}
    row |= dict.fromkeys(("fa", "fa_baseline", "ut", "ut_baseline"), numpy.nan)
    steps = [matched_steps(study, cell, other, seed) for seed in study.seeds]
    if None in steps:
        return row, {}
    row["steps"], cases = " ".join(f"{own}/{theirs}" for own, theirs in steps), {}
    for quantity, test in TESTS.items():
        own, theirs = (answers.at(c, [step[i] for step in steps], test) for i, c in enumerate((cell, other)))
        row |= {quantity: own.mean(), f"{quantity}_baseline": theirs.mean()}
        cases[quantity] = Case(test, cell[0], answers.questions(cell[1], test), own - theirs)
    return row, cases


def mean_row(rows: list[dict], cases: list[tuple], drawn: numpy.ndarray) -> dict:
    compared = [row for row in rows if row["steps"]]
    mean = {"model": f"mean of {len(compared)}", "benchmark": "", "method": "", "scope": compared[0]["scope"]}
    mean["steps"] = ""
    for key in ("fa", "fa_baseline", "ut", "ut_baseline", "fa_difference", "ut_difference"):
        mean[key] = sum(row[key] for row in compared) / len(compared)
    for quantity in TESTS:
        columns = [column for column, (_, name, _) in enumerate(cases) if name == quantity]
        mean[f"{quantity}_low"], mean[f"{quantity}_high"] = interval(drawn[:, columns].mean(1))
    return mean


def differences(frame: pandas.DataFrame, study: Study):
    texts, sure = [], {quantity: [] for quantity in TESTS}
    for row in frame.to_dict("records"):
        names = [row["model"], "all compared"]
        if row["model"] in study.models:
            names = [labels.group(study.settings, row["model"], row["benchmark"])]
            names.append(labels.method_and_scope(row["method"], row["scope"]))
        compared = row["fa"] == row["fa"]  # not NaN
        for quantity in TESTS:
            names += [f"{row[key]:.3f}" if compared else "" for key in (f"{quantity}_baseline", quantity)]
            names.append(difference(row, quantity) if compared else "no common FA")
            sure[quantity].append(compared and (row[f"{quantity}_low"] > 0 or row[f"{quantity}_high"] < 0))
        texts.append(names)
    wide = flat(pandas.DataFrame(texts, columns=list(HEADS)))
    for quantity, rows in sure.items():
        wide.styles.loc[rows, ("", f"{quantity.upper()} difference")] = "best"
    return wide


def difference(row: dict, quantity: str) -> str:
    return f"{row[f'{quantity}_difference']:+.3f} [{row[f'{quantity}_low']:+.3f}, {row[f'{quantity}_high']:+.3f}]"
