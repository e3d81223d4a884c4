from evidence.study import Study
from planning import layout
from rendering import labels, notes
from rendering.table import Table, mean_value, tidy, tidy_table

TITLE = "Tables 8 and 11 of version 2. Attribution of experts: other texts, and contributions in place of gate scores"
CAPTION = """**Version 2, Tables 8 and 11.** Overlap of the top experts between the forget set and parts of it; rank
correlation of gate score and contribution."""
READS = ("ATTRIBUTION_CHECKS",)
KEYS = ("models", "benchmarks")
OVERLAP = (
    "Overlap: mean over MoE layers of the share of top-K experts, by mean gate score, that two parts of the forget "
    "set have in common; K is the model's own, 6 in the paper. The two subsets have no block in common."
)
SPEARMAN = (
    "Spearman: rank correlation in each layer of an expert's mean gate score with the mean norm of what it adds, "
    "g * E(x); mean over MoE layers. Lowest layer, all experts: "
)


def table(study: Study) -> Table:
    values, tokens, least = [], [], []
    for place in study.places():
        records = study.of_seeds(layout.ATTRIBUTION_CHECKS, place)
        values += of_place(study, place, records)
        where, counts = labels.group(study.settings, *place), records[0]["tokens"]
        tokens.append(f"{where} {counts['full']:,}, {counts['subset']:,} in each subset")
        least.append(f"{where} {min(record['spearman']['all']['least'] for record in records):.3f}")
    texts = [OVERLAP, f"{SPEARMAN}{'; '.join(least)}.", f"Forget tokens: {'; '.join(tokens)}."]
    return tidy_table(study, TITLE, "Measure", tidy(values), [*texts, notes.world(study.settings)])


def of_place(study: Study, place: tuple[str, str], records: list[dict]) -> list[dict]:
    model, benchmark = place
    keys = {"model": study.stands_for(model), "benchmark": benchmark}
    top = f"top-{study.read(layout.ATTRIBUTION_CHECKS, place, study.seeds[0], 'top_k')}"
    measures = [
        (f"Overlap of the {top} experts, {pair}", [record["overlap"][pair] for record in records])
        + (study.printed("v2_table8", "top6_overlap", **keys, pair=pair), "v2_table8")
        for pair in study.read(layout.ATTRIBUTION_CHECKS, place, study.seeds[0], "overlap")
    ]
    for name, which, printed in (("all", "all experts", "all"), ("top", f"{top} experts", "top-6")):
        means = [record["spearman"][name]["mean"] for record in records]
        text = study.printed("v2_table11", "spearman", **keys, experts=printed)
        measures.append((f"Spearman, gate score and contribution, {which}", means, text, "v2_table11"))
    common = {"model": model, "stands_for": keys["model"], "benchmark": benchmark, "seeds": len(records)}
    return [
        common | mean_value("Value", runs) | {"row": row, "published": text, "published_in": source if text else ""}
        for row, runs, text, source in measures
    ]
