"""How sure the differences between methods are: at equal forgetting, and as ranks."""

from pathlib import Path

import numpy
import pandas

from evidence.answers import Answers
from evidence.bootstrap import DRAWS, LEVEL, Case, draws, interval
from evidence.matched import TOLERANCE, matched_steps
from planning.needs import cells
from rendering import labels
from rendering.styling import Wide

INTERVAL = (
    f"Brackets: middle {LEVEL:g} % of {DRAWS:,} bootstrap draws of questions{{seeds}}, paired by question and seed. "
    "Questions are drawn as if independent, though some ask for one fact in two wordings."
)
SEEDS = {
    True: " (one seed: training anew is not in it)",
    False: " and of seeds (these widened as Student's t is for so few)",
}
EQUAL = (
    "Two checkpoints are compared that have forgotten equally much: of all pairs whose FA differs by at most "
    f"{100 * TOLERANCE:g} points on the development half, none collapsed, the one that has forgotten most. FA and UT "
    "are those of the other half, their differences UOE's less the unmodified method's; bold: the interval excludes 0. "
    "No common FA: no such pair, in at least one seed."
)
RANKED = (
    "Ranks by Keep - Left (see Table 2) of the checkpoints that Table 2 shows, on the reported half; 1 is best, ties "
    "share a rank, rows with a collapsed run (†) come last; mean over the draws. First: share of draws in which no row "
    "is better (overall: by the mean of the ranks). "
)
Shown = tuple[Wide, pandas.DataFrame, str, list[str]]


def uncertainty(root: Path, settings: dict) -> Shown:
    """(table, tidy frame, title, notes): each scope against `baseline`, at checkpoints of equal FA."""
    answers, seeds = Answers(root, settings["seeds"], settings["tests"]), settings["seeds"]
    rows, cases = [], []
    for cell in cells(settings["block"], settings["models"]):
        model, benchmark, method, scope = cell
        if scope == "baseline":
            continue
        row = {"model": model, "benchmark": benchmark, "method": method, "scope": scope, "steps": ""}
        row |= dict.fromkeys(("fa", "fa_baseline", "ut", "ut_baseline"), numpy.nan)
        other = (model, benchmark, method, "baseline")
        steps = [matched_steps(root, cell, other, seed) for seed in seeds]
        if None not in steps:
            row["steps"] = " ".join(f"{own}/{theirs}" for own, theirs in steps)
            for short, test in (("fa", "forget"), ("ut", "utility")):
                pair = [answers.at(c, [step[i] for step in steps], test) for i, c in enumerate((cell, other))]
                row |= {short: pair[0].mean(), f"{short}_baseline": pair[1].mean()}
                questions = answers.questions(benchmark, test)
                cases.append((len(rows), short, Case(test, model, questions, pair[0] - pair[1])))
        rows.append(row)
    drawn = draws([case for _, _, case in cases]) if cases else numpy.empty((DRAWS, 0))
    for column, (number, short, case) in enumerate(cases):
        low, high = interval(drawn[:, column])
        rows[number] |= {f"{short}_difference": case.mean, f"{short}_low": low, f"{short}_high": high}
    if cases:
        rows.append(_mean_row(rows, cases, drawn))
    frame = pandas.DataFrame(rows)
    said = [EQUAL, INTERVAL.format(seeds=SEEDS[len(seeds) == 1])]
    return _wide_differences(frame, settings), frame, "Utility with and without UOE at equal forgetting", said


def _mean_row(rows: list[dict], cases: list[tuple], drawn: numpy.ndarray) -> dict:
    """Means over the compared pairs."""
    compared = [row for row in rows if row["steps"]]
    mean = {
        "model": f"mean of {len(compared)}",
        "benchmark": "",
        "method": "",
        "scope": compared[0]["scope"],
        "steps": "",
    }
    for key in ("fa", "fa_baseline", "ut", "ut_baseline", "fa_difference", "ut_difference"):
        mean[key] = sum(row[key] for row in compared) / len(compared)
    for short in ("fa", "ut"):
        of_test = [column for column, (_, name, _) in enumerate(cases) if name == short]
        mean[f"{short}_low"], mean[f"{short}_high"] = interval(drawn[:, of_test].mean(1))
    return mean


def _wide_differences(frame: pandas.DataFrame, settings: dict) -> Wide:
    texts, styles = [], []
    for row in frame.to_dict("records"):
        known = row["model"] in settings["models"]
        group = labels.group(settings, row["model"], row["benchmark"]) if known else row["model"]
        names = [group, labels.method_and_scope(row["method"], row["scope"]) if known else "all compared"]
        compared = row["fa"] == row["fa"]  # not NaN
        found = [_difference(row, short) if compared else "no common FA" for short in ("fa", "ut")]
        plain = [f"{row[key]:.3f}" if compared else "" for key in ("fa_baseline", "fa", "ut_baseline", "ut")]
        texts.append([*names, *plain[:2], found[0], *plain[2:], found[1]])
        sure = [compared and (row[f"{short}_low"] > 0 or row[f"{short}_high"] < 0) for short in ("fa", "ut")]
        styles.append(["", "", "", "", "best" if sure[0] else "", "", "", "best" if sure[1] else ""])
    heads = ["Model", "Pair", "FA alone", "FA UOE", "FA difference", "UT alone", "UT UOE", "UT difference"]
    columns = pandas.MultiIndex.from_tuples([("", head) for head in heads])
    return Wide(pandas.DataFrame(texts, columns=columns), pandas.DataFrame(styles, columns=columns))


def _difference(row: dict, short: str) -> str:
    return f"{row[f'{short}_difference']:+.3f} [{row[f'{short}_low']:+.3f}, {row[f'{short}_high']:+.3f}]"


def ranks(root: Path, settings: dict) -> Shown:
    """(table, tidy frame, title, notes): rank of each method and scope of the block, by model and benchmark."""
    answers, seeds = Answers(root, settings["seeds"], settings["tests"]), settings["seeds"]
    places: dict[tuple, list] = {}
    for cell in cells(settings["block"], settings["models"]):
        places.setdefault(cell[:2], []).append(cell)
    found = _ranks_drawn(answers, places)
    names = list(dict.fromkeys(cell[2:] for every in places.values() for cell in every))
    kept = {place: every for place, every in places.items() if len(every) == len(names)}
    found["overall", ""] = sum(found[place] for place in kept) / len(kept)
    rows = []
    for (model, benchmark), drawn in found.items():
        first = drawn == drawn.min(1, keepdims=True)
        for i, (method, scope) in enumerate(names if model == "overall" else [c[2:] for c in places[model, benchmark]]):
            low, high = interval(drawn[:, i])
            row = {"model": model, "benchmark": benchmark, "method": method, "scope": scope}
            shown = [(model, benchmark)] if benchmark else kept
            row["collapsed"] = sum(_collapsed(answers, (*place, method, scope)) for place in shown)
            rows.append(row | {"rank": drawn[:, i].mean(), "low": low, "high": high, "first": first[:, i].mean()})
    frame = pandas.DataFrame(rows)
    said = [RANKED + INTERVAL.format(seeds=SEEDS[len(seeds) == 1])]
    return _wide_ranks(frame, settings), frame, "Ranks of the methods and their uncertainty", said


def _ranks_drawn(answers: Answers, places: dict[tuple, list[tuple]]) -> dict[tuple, numpy.ndarray]:
    """Model and benchmark -> `[DRAWS, cells]`: ranks of its cells by Keep - Left; 1 is best.

    All are drawn at once, so that the places of one model share their seeds' draws, and those of two models do not.
    """
    cases = []
    for (model, benchmark), every in places.items():
        for test in ("forget", "utility"):
            values = [answers.original(model, benchmark, test), *(answers.shown(cell, test) for cell in every)]
            cases += [Case(test, model, answers.questions(benchmark, test), value) for value in values]
    columns, ranked = iter(draws(cases).T), {}
    for place, every in places.items():
        shares = {}
        for test in ("forget", "utility"):
            before, *after = (next(columns) for _ in range(1 + len(every)))
            chance = answers.chosen(every[0])[0][test]["chance"]
            above = numpy.maximum(before - chance, 1e-9)
            shares[test] = numpy.clip((numpy.stack(after, axis=1) - chance) / above[:, None], 0, 1)
        collapsed = [bool(_collapsed(answers, cell)) for cell in every]
        # collapsed rows below the least possible, -1
        balance = numpy.where(collapsed, -2.0, shares["utility"] - shares["forget"])
        ranked[place] = pandas.DataFrame(-balance.round(12)).rank(axis=1).to_numpy()
    return ranked


def _collapsed(answers: Answers, cell: tuple) -> int:
    """Seeds whose shown checkpoint has collapsed."""
    return sum(entry["collapsed"] for entry in answers.chosen(cell))


def _wide_ranks(frame: pandas.DataFrame, settings: dict) -> Wide:
    """One line a method and scope, one column group a model and benchmark."""
    order = frame[frame["model"] == "overall"].sort_values("rank")
    names = list(zip(order["method"], order["scope"], strict=True))
    texts: dict = {("", "Method"): [labels.method_and_scope(*name) for name in names]}
    for (model, benchmark), group in frame.groupby(["model", "benchmark"], sort=False):
        head = "Overall" if model == "overall" else labels.group(settings, model, benchmark)
        by_name = {(row.method, row.scope): row for row in group.itertuples()}
        shown = [by_name.get(name) for name in names]
        texts[head, "Rank"] = [
            f"{row.rank:.1f} [{row.low:.1f}, {row.high:.1f}]{'†' if row.collapsed else ''}" if row else ""
            for row in shown
        ]
        texts[head, "First"] = [f"{row.first:.0%}" if row else "" for row in shown]
    grid = pandas.DataFrame(texts)
    grid.columns = pandas.MultiIndex.from_tuples(list(texts))
    return Wide(grid, pandas.DataFrame("", index=grid.index, columns=grid.columns))


TABLES = {"uncertainty": uncertainty, "ranks": ranks}
