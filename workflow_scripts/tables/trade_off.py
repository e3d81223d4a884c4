import math
from statistics import fmean

import pandas

from benchmarks.curve import COARSE, FROM, TO
from evidence import curves
from evidence.intervals import PerSeed, average, interval
from evidence.study import CELL, Study
from evidence.summary import mean_and_error
from rendering import labels, notes
from rendering.table import Table, flat

TITLE = "Trade-off: utility kept while knowledge leaves"
CAPTION = """**Trade-off.** Kept utility of each method without and with UOE: Keep averaged over Left from .9 to .1, so
no checkpoint is chosen. The difference is taken over the span that both runs reached, seed by seed."""
READS = ("CHOSEN", "TRAJECTORY")
NOTE = (
    "A run is a curve of Keep over Left (see Table 2 for both). Kept utility: Keep averaged over Left from .9 to .1, "
    "straight between the checkpoints at which Left is lower than ever before; a span over which Left falls by more "
    "than .25 between two checkpoints is not counted. Got to: the least Left. Span: share of .9 to .1 that is counted; "
    "of a difference, what is counted of both. By probability: the same with the right option's probability among "
    "the options in place of accuracy. Gradients: norm of the forget term's gradient over that of the weighted retain "
    "term's, median over the run's probes, mean over seeds."
)
HEADS = (
    "Model",
    "Method",
    "Kept utility ↑",
    "Span",
    "Got to",
    "By probability",
    "Gradients",
    "Against alone",
    "Span of both",
)


def table(study: Study) -> Table:
    rows = [row_of(study, cell) for cell in study.cells()]
    frame = pandas.DataFrame(rows)
    texts = pandas.DataFrame([text_of(study, row) for row in rows], columns=list(HEADS))
    key = [row["model"] + row["benchmark"] for row in rows]
    wide = flat(texts, starts=[i for i in range(1, len(key)) if key[i] != key[i - 1]])
    sure = ((frame["low"] > 0) | (frame["high"] < 0)).to_numpy()
    wide.styles.loc[sure, ("", "Against alone")] = "best"
    texts = [NOTE, mean_note(study), notes.errors(study.settings), dense_enough(rows), notes.world(study.settings)]
    return Table(TITLE, frame.drop(columns="falls"), wide, texts)


def row_of(study: Study, cell: tuple) -> dict:
    row = dict(zip(CELL, cell, strict=True)) | dict.fromkeys(
        ("kept", "kept_se", "counted", "lowest", "probability", "gradients", "difference", "low", "high", "both"),
        math.nan,
    )
    records = [curves.record(study, cell, seed) for seed in study.seeds]
    row["falls"] = [found["largest_fall"] for found in records if found]
    if None in records:
        return row
    row |= {
        "counted": fmean(r["counted"] for r in records) / (FROM - TO),
        "lowest": fmean(r["lowest"] for r in records),
    }
    row["by_seed"] = " ".join(f"{r['kept_utility']:.6g}" if r["counted"] else "–" for r in records)
    if all(r["counted"] for r in records):
        row["kept"], row["kept_se"] = mean_and_error([r["kept_utility"] for r in records])
    if all(r.get("by_probability", {}).get("counted") for r in records):
        row["probability"] = fmean(r["by_probability"]["kept_utility"] for r in records)
    ratios = [ratio for seed in study.seeds if (ratio := gradient_ratio(study, cell, seed)) is not None]
    row["gradients"] = fmean(ratios) if ratios else math.nan
    if cell[3] != "baseline" and (found := curves.difference(study, cell, (*cell[:3], "baseline"))):
        own, span = found
        row |= {"difference": own.mean, "both": span.mean / (FROM - TO)} | dict(
            zip(("low", "high"), interval(own), strict=True)
        )
    return row


def gradient_ratio(study: Study, cell: tuple, seed: int) -> float | None:
    """Median over probes of the forget gradient's norm over the weighted retain gradient's; None without both."""
    probes = study.trajectory(cell, seed)["probes"]
    ratios = sorted(probe["gradient_ratio"] for probe in probes if probe.get("gradient_ratio") is not None)
    return ratios[len(ratios) // 2] if ratios else None


def text_of(study: Study, row: dict) -> list[str]:
    def text(key: str, form: str = ".3f") -> str:
        return "–" if math.isnan(row[key]) else f"{row[key]:{form}}"

    kept = text("kept") + ("" if math.isnan(row["kept_se"]) else f" ± {row['kept_se']:.3f}")
    difference = "" if row["scope"] == "baseline" else text("difference", "+.3f")
    if not math.isnan(row["low"]):
        difference += f" [{row['low']:+.3f}, {row['high']:+.3f}]"
    names = [labels.group(study.settings, row["model"], row["benchmark"])]
    names.append(labels.method_and_scope(row["method"], row["scope"]))
    ends = [text("counted", ".0%"), text("lowest", ".2f"), text("probability"), text("gradients", ".3g")]
    return [*names, kept, *ends, difference, "" if row["scope"] == "baseline" else text("both", ".0%")]


def mean_note(study: Study) -> str:
    """The mean difference of all pairs that can be compared, within each seed first."""
    pairs = [(cell, (*cell[:3], "baseline")) for cell in study.cells() if cell[3] != "baseline"]
    found: list[PerSeed] = [pair[0] for pair in (curves.difference(study, *cells) for cells in pairs) if pair]
    if not found:
        return "No pair of runs can be compared."
    mean = average(found)
    low, high = interval(mean)
    limits = "" if math.isnan(low) else f" [{low:+.3f}, {high:+.3f}]"
    return f"Mean difference over {len(found)} of {len(pairs)} pairs: {mean.mean:+.3f}{limits} (95 %, t over seeds)."


def dense_enough(rows: list[dict]) -> str:
    falls = [fall for row in rows for fall in row["falls"]]
    dense = sum(fall <= COARSE + 1e-9 for fall in falls)
    return f"Left falls by no more than .25 between two checkpoints in {dense} of {len(falls)} runs."
