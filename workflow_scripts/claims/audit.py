"""The papers' printed numbers held against each other, against arithmetic and against the real architectures.

No model is needed: everything comes from config/published/*.csv and from counts of the architectures' parameters. Each
line carries its arithmetic, computed here; it shows what does not fit, not why.
"""

import math
from pathlib import Path

import pandas

from claims.audit_scores import (
    CELL,
    MMLU_QUESTIONS,
    QUANTITIES,
    QUESTIONS,
    Line,
    cell_name,
    counts_of_questions,
    forget_near_chance,
    letters,
    long_scores,
    table_name,
)
from evidence import published
from rendering import labels

UOE_TABLES = ("table2",)  # each method's baseline and UOE rows stand side by side there
NOISE = 1.96  # two-sided 95 %


def audit(folder: Path, counts: dict[str, dict], shared: dict[str, int]) -> list[Line]:
    """Every line, by topic.

    folder: config/published. counts: real model -> counts.json of count_parameters.py. shared: real model -> shared
    experts a layer.
    """
    scores = long_scores(folder)
    return [
        *same_cell_twice(scores),
        *text_against_tables(folder, scores),
        *text_changes(folder, scores),
        *captions(folder, scores),
        *headline(scores),
        *efficacy(scores),
        *against_others(scores),
        *strength_of_anchor(folder),
        *letters(folder, scores),
        *forget_near_chance(scores),
        *counts_of_questions(scores),
        *ratios(folder, counts),
        *sizes(folder, counts, shared),
        *versions(folder),
        *expert_overlaps(folder, counts),
        *text_against_code(folder),
    ]


def same_cell_twice(scores: pandas.DataFrame) -> list[Line]:
    """The same cell in several tables (of one version, or of both) must have one number."""
    found, same = [], 0
    for key, group in scores.groupby([*CELL, "quantity"], sort=False):
        places = group.groupby(group["printed"].astype(float), sort=False)
        if len(places) == 1:
            same += len(group) > 1
            continue
        shown = [(rows["printed"].iloc[0], ", ".join(map(table_name, rows["table"]))) for _, rows in places]
        (first, where), (second, there) = shown[:2]
        arithmetic = f"{second} - {first} = {float(second) - float(first):+.4f}"
        said = f"{cell_name(key[:4])}: {QUANTITIES[key[4]]} is printed as "
        said += " and as ".join(f"{printed} ({tables})" for printed, tables in shown)
        found.append(Line("table against table", f"{where}; {there}", arithmetic, said, "inconsistent"))
    said = "Values that several tables print for the same cell, the same everywhere"
    return [*found, Line("table against table", "all tables", f"{same} of {same + len(found)}", said, "consistent")]


def text_against_tables(folder: Path, scores: pandas.DataFrame) -> list[Line]:
    """Numbers in the text against the tables that it speaks of."""
    found, same = [], 0
    for row in published.read(folder, "text_values").itertuples():
        printed = _of_cell(scores, *(getattr(row, key) for key in CELL), row.quantity)
        if printed.empty:
            continue
        if row.value in set(printed["printed"]) or float(row.value) in set(printed["printed"].astype(float)):
            same += 1
            continue
        first = printed.iloc[0]
        difference = float(row.value) - float(first["printed"])
        others = scores[(scores["printed"].astype(float) == float(row.value)) & (scores["quantity"] == row.quantity)]
        own = ", ".join(dict.fromkeys(cell_name([getattr(o, key) for key in CELL]) for o in others.itertuples()))
        name = cell_name([getattr(row, key) for key in CELL])
        said = f"{name}: the text gives {QUANTITIES[row.quantity]} {row.value}, the table {first['printed']}"
        said += f"; {row.value} is that of {own}" if own else ""
        arithmetic = f"{row.value} - {first['printed']} = {difference:+.4f}"
        found.append(
            Line("text against table", f"{row.place}; {table_name(first['table'])}", arithmetic, said, "inconsistent")
        )
    said = "Numbers of the text that the tables print, too"
    return [*found, Line("text against table", "v1", f"{same} equal, {len(found)} not", said, "consistent")]


def text_changes(folder: Path, scores: pandas.DataFrame) -> list[Line]:
    """Where the text says that a value falls or rises."""
    found = []
    for row in published.read(folder, "text_changes").itertuples():
        old, new = (
            _one(scores, row.model, row.benchmark, row.method, scope, row.quantity)
            for scope in (row.from_scope, row.to_scope)
        )
        change = new - old
        fits = change < 0 if row.says == "falls" else change > 0
        name = cell_name([row.model, row.benchmark, row.method, row.to_scope])
        said = f"{name}: the text says that {QUANTITIES[row.quantity]} {row.says}; in Table 2 it "
        said += "does" if fits else ("rises" if change > 0 else "falls" if change < 0 else "stays")
        arithmetic = f"{new:.4f} - {old:.4f} = {change:+.4f}"
        found.append(Line("text against table", row.place, arithmetic, said, "consistent" if fits else "inconsistent"))
    return found


def captions(folder: Path, scores: pandas.DataFrame) -> list[Line]:
    """Tables at "FA ≈ 0.25": whose row of Table 2 their first utility is, and what FA that row has."""
    found = []
    shown = set()
    for row in published.read(folder, "captions").itertuples():
        first = published.read(folder, row.table).iloc[0]
        utility, wanted = float(first["utility"]), float(row.forget_accuracy.lstrip("~"))
        rows = scores[
            (scores["table"] == "table2") & (scores["model"] == first["model"]) & (scores["scope"] == "uoe")
            & (scores["benchmark"] == first["benchmark"])
        ]  # fmt: skip
        utilities = rows[rows["quantity"] == "utility"]
        equal = utilities[utilities["printed"].astype(float) == utility]
        if equal.empty:
            continue
        method = equal.iloc[0]["method"]
        place = f"{row.said_in}; {table_name(row.table)}, first column"
        if row.method and row.method != method:
            own = _one(scores, first["model"], first["benchmark"], row.method, "uoe", "utility")
            arithmetic = f"{utility:.4f} - {own:.4f} = {utility - own:+.4f}"
            said = (
                f"Said to be {labels.method(row.method)}+UOE, whose utility in Table 2 is {own:.4f}; {utility:.4f} is "
            )
            said += f"that of {labels.method(method)}+UOE"
            found.append(Line("captions", place, arithmetic, said, "inconsistent"))
        if row.table in shown:
            continue
        shown.add(row.table)
        reached = _one(scores, first["model"], first["benchmark"], method, "uoe", "forget_accuracy")
        far = abs(reached - wanted) > 0.05
        said = (
            f"Said to stand at FA ≈ {wanted:.2f}; the row of Table 2 with this utility ({labels.method(method)}+UOE) "
        )
        said += f"has FA {reached:.4f}"
        arithmetic = f"{reached:.4f} - {wanted:.2f} = {reached - wanted:+.4f}"
        found.append(Line("captions", place, arithmetic, said, "inconsistent" if far else "consistent"))
    return found


def headline(scores: pandas.DataFrame) -> list[Line]:
    """ "Forget quality up to 5 % and utility by 35 %": the largest differences of Table 2."""
    pairs = _pairs(scores)
    found = []
    for benchmark, group in pairs.groupby("benchmark", sort=False):
        best = group.loc[(group["fa_baseline"] - group["fa_uoe"]).idxmax()]
        gain = best.fa_baseline - best.fa_uoe
        said = f'"Forget quality up to 5 %": the largest drop of FA on {labels.benchmark(benchmark)} is '
        said += f"{100 * gain:.1f} points, {100 * gain / best.fa_baseline:.0f} % of the baseline's FA ({best['name']})"
        verdict = "consistent" if round(100 * gain) == 5 else "inconsistent"
        arithmetic = f"{best.fa_baseline:.4f} - {best.fa_uoe:.4f} = {gain:.4f}"
        found.append(Line("headline", "abstract (v1, v2)", arithmetic, said, verdict))
    best = pairs.loc[(pairs["ut_uoe"] - pairs["ut_baseline"]).idxmax()]
    gain = best.ut_uoe - best.ut_baseline
    median = (pairs["ut_uoe"] - pairs["ut_baseline"]).median()
    share = gain / best.ut_baseline
    said = f'"Utility by 35 %" is in points, and the largest of {len(pairs)} differences ({best["name"]}): relative to '
    said += f"its baseline {100 * share:.0f} %; the median difference is {100 * median:.1f} points"
    arithmetic = f"{best.ut_uoe:.4f} - {best.ut_baseline:.4f} = {gain:.4f}; / {best.ut_baseline:.4f} = {share:.3f}"
    verdict = "consistent" if 35 <= 100 * gain < 36.5 else "inconsistent"
    return [*found, Line("headline", "abstract (v1, v2)", arithmetic, said, verdict)]


def efficacy(scores: pandas.DataFrame) -> list[Line]:
    """ "Forgetting unaffected or slightly improved": in how many pairs of Table 2 FA is higher with UOE."""
    pairs = _pairs(scores)
    change = pairs["fa_uoe"] - pairs["fa_baseline"]
    worse, worst = int((change > 0).sum()), pairs.loc[change.idxmax()]
    said = (
        f"Forgetting is said to be unaffected or slightly improved; FA is higher with UOE in {worse} of {len(pairs)} "
    )
    said += f"pairs, most in {worst['name']}"
    arithmetic = f"{worst.fa_uoe:.4f} - {worst.fa_baseline:.4f} = {change.max():+.4f}"
    verdict = "inconsistent" if change.max() > 0 else "consistent"
    return [Line("text against table", "v1, section 5.2; v1 Table 2", arithmetic, said, verdict)]


def against_others(scores: pandas.DataFrame) -> list[Line]:
    """UOE is said to keep more utility than LoRA and ESFT, and to forget more than a random expert: every exception."""
    found = []
    for table, scope, quantity, sign in (
        ("table4", "lora", "utility", 1), ("table4", "esft", "utility", 1), ("table6", "random", "forget_accuracy", -1)
    ):  # fmt: skip
        rows = scores[(scores["table"] == table) & (scores["quantity"] == quantity)]
        others = rows[rows["scope"] == scope]
        failed = 0
        for other in others.itertuples():
            own = _one(rows, other.model, other.benchmark, other.method, "uoe", quantity)
            difference = own - float(other.printed)
            if sign * difference > 0:
                continue
            failed += 1
            error = _difference_error(own, float(other.printed), other.benchmark, quantity)
            said = f"{cell_name([other.model, other.benchmark, other.method, 'uoe'])} is said to do better than "
            said += f"{labels.scope(scope)} in {QUANTITIES[quantity]}; it does not"
            said += f" (one standard error of such a difference: {error:.4f})" if error else ""
            arithmetic = f"{own:.4f} - {other.printed} = {difference:+.4f}"
            found.append(
                Line("text against table", f"v1, section 5.2; {table_name(table)}", arithmetic, said, "inconsistent")
            )
        said = f"UOE does better than {labels.scope(scope)} in {QUANTITIES[quantity]}: columns where it does"
        arithmetic = f"{len(others) - failed} of {len(others)}"
        verdict = "consistent" if not failed else "inconsistent"
        found.append(Line("text against table", table_name(table), arithmetic, said, verdict))
    return found


def strength_of_anchor(folder: Path) -> list[Line]:
    """alpha = 1 is said to be best: its lead over each other alpha against the sampling error of MMLU."""
    frame = published.read(folder, "table10")
    best = frame[frame["alpha"] == "1"].iloc[0]
    found = []
    for row in frame[frame["alpha"] != "1"].itertuples():
        lead = float(best["utility"]) - float(row.utility)
        error = _difference_error(float(best["utility"]), float(row.utility), "", "utility")
        said = (
            f"α = 1 is called best; its lead over α = {row.alpha} is {lead / error:.1f} standard errors of a difference"
        )
        arithmetic = f"({best['utility']} - {row.utility}) / {error:.4f} = {lead / error:.2f}"
        verdict = "consistent" if lead / error > NOISE else "within sampling error"
        found.append(Line("sampling error", "v1, appendix D; v1 Table 10", arithmetic, said, verdict))
    return found


def ratios(folder: Path, counts: dict[str, dict]) -> list[Line]:
    """Table 3 against the architectures: one expert with its router, LoRA of rank 8, the experts of ESFT's share."""
    found = []
    for row in published.read(folder, "table3").itertuples():
        counted = counts.get(row.model)
        if counted is None:
            continue
        total, name = counted["total"], labels.REAL.get(row.model, row.model)
        half = 0.5 * 10 ** -len(row.tunable_percent.partition(".")[2])
        if row.scope == "esft":
            expert = counted["scopes"]["uoe"]["trained"] - counted["sizes"]["hidden"] * counted["sizes"]["experts"]
            low, high = ((float(row.tunable_percent) + d) / 100 * total / expert for d in (-half, half))
            whole = math.floor(high) >= math.ceil(low)
            layers = counted["sizes"]["moe_layers"]
            said = f"ESFT on {name}: {row.tunable_percent} % is {(low + high) / 2:.1f} routed experts, "
            said += f"{(low + high) / 2 / layers:.2f} a MoE layer" + ("" if whole else "; no whole number fits")
            arithmetic = f"{row.tunable_percent} % x {total:,} / {expert:,} = {low:.2f} to {high:.2f}"
            verdict = "consistent" if whole else "cannot be"
        elif row.scope == "lora":
            percent, trained = (counted["scopes"]["lora-separate"][key] for key in ("percent", "trained"))
            rank = counted["lora_rank"] * float(row.tunable_percent) / percent
            said = (
                f"LoRA on {name}: no rank is given; {row.tunable_percent} % is that of rank {rank:.1f} on every linear "
            )
            said += "layer and expert (a little less if the share is taken of the model with its adapters)"
            arithmetic = f"{row.tunable_percent} / ({trained:,} / {total:,} / {counted['lora_rank']}) = {rank:.2f}"
            verdict = "consistent" if abs(rank - round(rank)) < 0.25 else "cannot be"
        else:
            percent, trained = (counted["scopes"][row.scope][key] for key in ("percent", "trained"))
            said = f"UOE on {name}: printed {row.tunable_percent} %, one expert and its router is {percent:.4f} %"
            close = abs(percent - float(row.tunable_percent)) <= half + 1e-9
            if not close:
                needed = trained / float(row.tunable_percent) / 1e7
                said += f"; a model of {needed:.2f} billion parameters would be needed"
            arithmetic = f"{trained:,} / {total:,} = {percent:.4f} %"
            verdict = "consistent" if close else "cannot be"
        found.append(Line("shares of parameters", "v1 Table 3 (v2 Tables 4, 10)", arithmetic, said, verdict))
    return found


def sizes(folder: Path, counts: dict[str, dict], shared: dict[str, int]) -> list[Line]:
    """Sizes that the text gives, against the architectures."""
    found = []
    for row in published.read(folder, "text_sizes").itertuples():
        if row.model not in counts:
            continue
        name = labels.REAL.get(row.model, row.model)
        if row.quantity == "shared experts":
            own, fits = shared[row.model], shared[row.model] == int(row.value)
            arithmetic = f"{row.value} - {own} = {int(row.value) - own:+d}"
        else:
            own = counts[row.model]["total"] / 1e9
            fits = abs(own - float(row.value)) <= 0.5 * 10 ** -len(row.value.partition(".")[2]) + 1e-9
            arithmetic = f"{row.value} - {own:.3f} = {float(row.value) - own:+.3f}"
            own = f"{own:.3f}"
        said = f"{name}: said to have {row.value} {row.quantity}; the architecture has {own}"
        found.append(
            Line("shares of parameters", row.place, arithmetic, said, "consistent" if fits else "inconsistent")
        )
    return found


def versions(folder: Path) -> list[Line]:
    """Experts of one layer: version 2's Table 2 against version 1's Table 5."""
    second = published.read(folder, "v2_table2")
    second = second[second["placement"] == "same-layer"].set_index("experts")["utility"]
    found = []
    for row in published.read(folder, "table5").itertuples():
        if row.experts not in second.index:
            continue
        difference = float(second[row.experts]) - float(row.utility)
        said = (
            f"UT when {row.experts} of a layer's experts train: {row.utility} in version 1, {second[row.experts]} in 2"
        )
        arithmetic = f"{second[row.experts]} - {row.utility} = {difference:+.4f}"
        verdict = "inconsistent" if difference else "consistent"
        found.append(Line("table against table", "v1 Table 5; v2 Table 2", arithmetic, said, verdict))
    return found


def expert_overlaps(folder: Path, counts: dict[str, dict]) -> list[Line]:
    """Version 2's Table 8: shares of the top-6 experts of every MoE layer, so multiples of 1 / (6 x layers)."""
    found = []
    for row in published.read(folder, "v2_table8").itertuples():
        if row.model not in counts:
            continue
        n, digits = 6 * counts[row.model]["sizes"]["moe_layers"], len(row.top6_overlap.partition(".")[2])
        k = round(float(row.top6_overlap) * n)
        fits = f"{k / n:.{digits}f}" == row.top6_overlap
        said = f"Overlap {row.top6_overlap} of the top-6 experts ({row.pair}): {k} of {n}"
        found.append(
            Line("possible counts", "v2 Table 8", f"{k}/{n} = {k / n:.4f}", said, "consistent" if fits else "cannot be")
        )
    return found


def text_against_code(folder: Path) -> list[Line]:
    """Settings of the text against those of the published code."""
    found = []
    for row in published.read(folder, "code_settings").itertuples():
        try:
            arithmetic = f"{row.code} / {row.text} = {float(row.code) / float(row.text):g}"
        except ValueError:
            arithmetic = "not equal"
        said = f"{row.setting}: {row.text} in the text, {row.code} in the published code"
        verdict = "consistent" if row.text == row.code else "inconsistent"
        found.append(Line("text against code", f"{row.text_place}; {row.code_place}", arithmetic, said, verdict))
    return found


def _of_cell(scores, model, benchmark, method, scope, quantity) -> pandas.DataFrame:
    wanted = dict(zip([*CELL, "quantity"], (model, benchmark, method, scope, quantity), strict=True))
    found = scores
    for key, value in wanted.items():
        found = found[found[key] == value]
    return found


def _one(scores, *key) -> float:
    found = _of_cell(scores, *key)
    if found.empty:
        raise SystemExit(f"config/published: no table prints {', '.join(key)}")
    return float(found.iloc[0]["printed"])


def _pairs(scores: pandas.DataFrame) -> pandas.DataFrame:
    """Table 2's pairs: FA and UT without and with UOE."""
    rows = scores[scores["table"].isin(UOE_TABLES) & (scores["scope"] == "uoe") & (scores["quantity"] == "utility")]
    found = []
    for row in rows.itertuples():
        values = {
            f"{short}_{scope}": _one(scores, row.model, row.benchmark, row.method, scope, quantity)
            for short, quantity in (("fa", "forget_accuracy"), ("ut", "utility"))
            for scope in ("baseline", "uoe")
        }
        name = cell_name([row.model, row.benchmark, row.method, "uoe"])
        found.append({"name": name, "benchmark": row.benchmark} | values)
    return pandas.DataFrame(found)


def _difference_error(first: float, second: float, benchmark: str, quantity: str) -> float | None:
    """Standard error of the difference of two accuracies on the same number of questions, taken as independent; None
    for ROUGE-L, whose spread is not printed."""
    if quantity == "forget_accuracy" and benchmark != "wmdp-cyber":
        return None
    n = MMLU_QUESTIONS if quantity == "utility" else QUESTIONS[benchmark]
    return math.sqrt((first * (1 - first) + second * (1 - second)) / n)
