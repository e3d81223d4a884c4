import math

import numpy
import pandas

from evidence.intervals import PerSeed, interval
from evidence.study import Study, field
from planning import layout
from rendering import labels, notes
from rendering.table import Table, Wide

TITLE = "Ranks of the methods and their uncertainty"
CAPTION = """**Ranks.** The rows of Table 2 ranked by what they keep less what they leave, in each seed; with intervals
of the mean rank and the share of seeds in which each is first."""
READS = ("CHOSEN",)
NOTE = (
    "Ranks by Keep - Left (see Table 2) of the checkpoints that Table 2 shows, in each seed; 1 is best, ties share a "
    "rank, a collapsed run (†) comes last in its seed; mean over seeds. First: share of seeds in which no row is "
    "better (overall: by the mean of the ranks). "
)
ONE_SEED = "One seed: ranks without intervals."


def table(study: Study) -> Table:
    places = {place: [cell for cell in study.cells() if cell[:2] == place] for place in study.places()}
    ranks = {place: ranks_by_seed(study, cells) for place, cells in places.items()}
    names = list(dict.fromkeys(cell[2:] for cells in places.values() for cell in cells))
    whole = {place: cells for place, cells in places.items() if len(cells) == len(names)}
    ranks["overall", ""] = sum(ranks[place] for place in whole) / len(whole)
    rows = []
    for (model, benchmark), by_seed in ranks.items():
        first = by_seed == by_seed.min(0)
        shown = [(model, benchmark)] if benchmark else whole
        for i, (method, scope) in enumerate([c[2:] for c in places[model, benchmark]] if benchmark else names):
            low, high = numpy.clip(interval(PerSeed(by_seed[i])), 1, len(names))
            row = {"model": model, "benchmark": benchmark, "method": method, "scope": scope}
            row["collapsed"] = sum(chosen["collapsed"] for p in shown for chosen in runs(study, (*p, method, scope)))
            rows.append(row | {"rank": by_seed[i].mean(), "low": low, "high": high, "first": first[i].mean()})
    frame = pandas.DataFrame(rows)
    several = len(study.seeds) > 1
    texts = [NOTE + (notes.intervals(study.settings) if several else ONE_SEED), notes.world(study.settings)]
    return Table(TITLE, frame, by_place(frame, study.settings), texts)


def runs(study: Study, cell: tuple) -> list[dict]:
    """Each seed's shown checkpoint."""
    return [study.chosen(cell, seed, "balance") for seed in study.seeds]


def ranks_by_seed(study: Study, cells: list[tuple]) -> numpy.ndarray:
    """`[cells, seeds]`: ranks of a place's cells by Keep - Left; 1 is best."""
    scores = [[balance(chosen, study, cell) for chosen in runs(study, cell)] for cell in cells]
    return (-pandas.DataFrame(scores).round(12)).rank().to_numpy()


def balance(chosen: dict, study: Study, cell: tuple) -> float:
    """Keep - Left on the reported questions; a collapsed run is below the least possible, -1."""
    path = study.path(layout.CHOSEN, cell)
    shares = {}
    for name in ("fa", "ut"):
        score, before = field(chosen, path, name), field(chosen, path, f"{name}_original")
        above = max(before["value"] - score["chance"], 1e-9)
        shares[name] = min(max((score["value"] - score["chance"]) / above, 0.0), 1.0)
    return -2.0 if chosen["collapsed"] else shares["ut"] - shares["fa"]


def by_place(frame: pandas.DataFrame, settings: dict) -> Wide:
    order = frame[frame["model"] == "overall"].sort_values("rank")
    names = list(zip(order["method"], order["scope"], strict=True))
    texts: dict = {("", "Method"): [labels.method_and_scope(*name) for name in names]}
    for (model, benchmark), group in frame.groupby(["model", "benchmark"], sort=False):
        head = "Overall" if model == "overall" else labels.group(settings, model, benchmark)
        by_name = {(row.method, row.scope): row for row in group.itertuples()}
        rows = [by_name.get(name) for name in names]
        texts[head, "Rank"] = [shown(row) if row else "" for row in rows]
        texts[head, "First"] = [f"{row.first:.0%}" if row else "" for row in rows]
    grid = pandas.DataFrame(texts)
    grid.columns = pandas.MultiIndex.from_tuples(list(texts))
    return Wide(grid, pandas.DataFrame("", index=grid.index, columns=grid.columns))


def shown(row) -> str:
    limits = "" if math.isnan(row.low) else f" [{row.low:.1f}, {row.high:.1f}]"
    return f"{row.rank:.1f}{limits}{'†' if row.collapsed else ''}"
