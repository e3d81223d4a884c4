"""Which values of a table are printed bold or red."""

import pandas

HEAVY_LOSS = 0.10  # the papers print a utility in red when it lies more than 10 points below the pretrained model's
ORIGINAL, RETRAINED = "Pretrained", "Retrained"  # rows


def mark_heavy_losses(frame: pandas.DataFrame) -> None:
    """Ours: loss > 10 points. The paper's: the same against the pretrained value that it prints in the same table."""
    frame["heavy_loss"] = frame["loss"].fillna(0.0) > HEAVY_LOSS + 1e-9
    utilities = frame[(frame["quantity"] == "UT") & (frame["published"] != "")]
    for _, group in utilities.groupby(["model", "benchmark"], sort=False):
        original = group[group["row"] == ORIGINAL]["published"]
        if not original.empty:
            losses = float(original.iloc[0]) - group["published"].astype(float)
            frame.loc[group.index, "published_heavy_loss"] = losses > HEAVY_LOSS + 1e-9


def mark_best(frame: pandas.DataFrame, summary: pandas.DataFrame, at_threshold: bool) -> None:
    """Lowest FA (not below chance) and highest UT of the rows compared; neither collapsed nor unmeasurable rows take
    part. At FA ~ 0.25 only UT is compared, and only where that FA was reached."""
    chance = {(row.model, row.benchmark): row.fa_chance for row in summary.itertuples()}
    sound = ~frame["marks"].str.contains("[†§¶]") & ~frame["row"].isin((ORIGINAL, RETRAINED))
    if at_threshold:
        sound &= frame["status"] == "reached"
    for (model, benchmark, _, quantity), group in frame[sound].groupby(
        ["model", "benchmark", "compared", "quantity"], sort=False
    ):
        if quantity == "FA" and not at_threshold:
            floored = group["value"].clip(lower=chance[model, benchmark])
            frame.loc[group.index, "best"] = floored <= floored.min() + 1e-9
        elif quantity == "Distance" and not at_threshold:
            frame.loc[group.index, "best"] = group["value"] <= group["value"].min() + 1e-9
        elif quantity == "UT":
            frame.loc[group.index, "best"] = group["value"] >= group["value"].max() - 1e-9
