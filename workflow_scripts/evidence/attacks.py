"""What attacks bring back of what was forgotten, from results of attack.py: scores on the half of the tests on which
the attacked checkpoint was not chosen."""

from statistics import fmean

from evidence.study import Study
from planning import layout


def of_block(study: Study) -> str:
    """The attack that a table or figure shows; one line if its block names several."""
    if len(study.block["attacks"]) > 1:
        raise SystemExit(f"config: {study.settings['name']}: attacks: {study.block['attacks']}; one can be shown")
    return study.block["attacks"][0]


def results(study: Study, cell: tuple, attack: str) -> list[dict]:
    """Each seed's; of a cell (model, benchmark, method, scope), or of the retrained model of (model, benchmark)."""
    pattern = layout.ATTACK if len(cell) > 2 else layout.RETRAINED_ATTACK
    return study.of_seeds(pattern, cell, attack=attack)


def collapsed(records: list[dict]) -> bool:
    """Whether the model has collapsed before or after the attack, in any seed."""
    return any(record[part].get("collapsed") for record in records for part in ("before", "after"))


def left(result: dict) -> float:
    """Share of the knowledge that was left before the attack (Left, not clipped)."""
    fa, original = (result["before"][name] for name in ("fa", "fa_original"))
    return (fa["value"] - fa["chance"]) / (original["value"] - original["chance"])


def share_back(result: dict) -> float:
    """(FA after - FA before) / (FA0 - FA before): the share of the forgotten FA that is back."""
    before, after = result["before"], result["after"]["fa"]["value"]
    return (after - before["fa"]["value"]) / (before["fa_original"]["value"] - before["fa"]["value"])


def curves(study: Study, cell: tuple, attack: str) -> list[dict[int, float]]:
    """Of each seed: steps of fine-tuning -> FA, step 0 first."""
    every = []
    for seed, result in zip(study.seeds, results(study, cell, attack), strict=True):
        if not (points := result.get("curve")):
            pattern = layout.ATTACK if len(cell) > 2 else layout.RETRAINED_ATTACK
            path = study.path(pattern, cell, seed, attack=attack)
            raise SystemExit(f"{path}: curve: empty; attacks: {attack} must name the steps that are `tested`")
        every.append({point["step"]: point["fa"] for point in points})
    return every


def regained(curve: dict[int, float]) -> float:
    """FA less that before the first step, mean over the steps tested."""
    start, *later = curve.values()
    return fmean(later) - start
