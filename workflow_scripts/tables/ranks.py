import numpy
import pandas

from evidence.answers import Answers
from evidence.bootstrap import Case, described, draws, interval
from evidence.study import TESTS, Study
from rendering import labels, notes
from rendering.table import Table, Wide

TITLE = "Ranks of the methods and their uncertainty"
CAPTION = """**Ranks.** The rows of Table 2 ranked by what they keep less what they leave, with bootstrap intervals of
the rank and the share of draws in which each is first."""
READS = ("CHOSEN", "PREDICTIONS", "ORIGINAL_PREDICTIONS")
NOTE = (
    "Ranks by Keep - Left (see Table 2) of the checkpoints that Table 2 shows, on the reported half; 1 is best, ties "
    "share a rank, rows with a collapsed run (†) come last; mean over the draws. First: share of draws in which no row "
    "is better (overall: by the mean of the ranks). "
)


def table(study: Study) -> Table:
    answers, places = Answers(study), {place: [] for place in study.places()}
    for cell in study.cells():
        places[cell[:2]].append(cell)
    ranks = ranks_drawn(answers, places)
    names = list(dict.fromkeys(cell[2:] for cells in places.values() for cell in cells))
    whole = {place: cells for place, cells in places.items() if len(cells) == len(names)}
    ranks["overall", ""] = sum(ranks[place] for place in whole) / len(whole)
    rows = []
    for (model, benchmark), drawn in ranks.items():
        first = drawn == drawn.min(1, keepdims=True)
        shown = [(model, benchmark)] if benchmark else whole
        for i, (method, scope) in enumerate([c[2:] for c in places[model, benchmark]] if benchmark else names):
            low, high = interval(drawn[:, i])
            row = {"model": model, "benchmark": benchmark, "method": method, "scope": scope}
            row["collapsed"] = sum(collapsed(answers, (*place, method, scope)) for place in shown)
            rows.append(row | {"rank": drawn[:, i].mean(), "low": low, "high": high, "first": first[:, i].mean()})
    frame = pandas.DataFrame(rows)
    texts = [NOTE + described(study.seeds), notes.world(study.settings)]
    return Table(TITLE, frame, by_place(frame, study.settings), texts)


def ranks_drawn(answers: Answers, places: dict[tuple, list[tuple]]) -> dict[tuple, numpy.ndarray]:
    """Model and benchmark -> `[DRAWS, cells]`: ranks of its cells by Keep - Left; 1 is best. All are drawn at once, so
    that the places of one model share their seeds' draws, and those of two models do not."""
    cases = []
    for (model, benchmark), cells in places.items():
        for test in TESTS.values():
            values = [answers.original(model, benchmark, test), *(answers.shown(cell, test) for cell in cells)]
            cases += [Case(test, model, answers.questions(benchmark, test), value) for value in values]
    columns, ranked = iter(draws(cases).T), {}
    for place, cells in places.items():
        shares = {}
        for quantity in TESTS:
            before, *after = (next(columns) for _ in range(1 + len(cells)))
            chance = answers.chosen(cells[0])[0][quantity]["chance"]
            above = numpy.maximum(before - chance, 1e-9)
            shares[quantity] = numpy.clip((numpy.stack(after, axis=1) - chance) / above[:, None], 0, 1)
        broken = [bool(collapsed(answers, cell)) for cell in cells]
        # collapsed rows below the least possible, -1
        balance = numpy.where(broken, -2.0, shares["ut"] - shares["fa"])
        ranked[place] = pandas.DataFrame(-balance.round(12)).rank(axis=1).to_numpy()
    return ranked


def collapsed(answers: Answers, cell: tuple) -> int:
    """Seeds whose shown checkpoint has collapsed."""
    return sum(entry["collapsed"] for entry in answers.chosen(cell))


def by_place(frame: pandas.DataFrame, settings: dict) -> Wide:
    order = frame[frame["model"] == "overall"].sort_values("rank")
    names = list(zip(order["method"], order["scope"], strict=True))
    texts: dict = {("", "Method"): [labels.method_and_scope(*name) for name in names]}
    for (model, benchmark), group in frame.groupby(["model", "benchmark"], sort=False):
        head = "Overall" if model == "overall" else labels.group(settings, model, benchmark)
        by_name = {(row.method, row.scope): row for row in group.itertuples()}
        rows = [by_name.get(name) for name in names]
        texts[head, "Rank"] = [
            f"{row.rank:.1f} [{row.low:.1f}, {row.high:.1f}]{'†' if row.collapsed else ''}" if row else ""
            for row in rows
        ]
        texts[head, "First"] = [f"{row.first:.0%}" if row else "" for row in rows]
    grid = pandas.DataFrame(texts)
    grid.columns = pandas.MultiIndex.from_tuples(list(texts))
    return Wide(grid, pandas.DataFrame("", index=grid.index, columns=grid.columns))
