"""The rule by which a checkpoint is chosen: the same for every scope, corrected for chance. Standard library only.

With FA* and UT* the values at chance and FA0, UT0 those of the untouched model,
    Keep = clip((UT - UT*) / (UT0 - UT*), 0, 1)     share of the utility that is kept
    Left = clip((FA - FA*) / (FA0 - FA*), 0, 1)     share of the knowledge that is left
and the checkpoint with the largest Keep - Left wins, ties to the earlier step, collapsed ones only if all are.
"""

MEASURABLE = 3.0  # standard errors by which the untouched model must exceed chance
OVERSHOT = 0.20  # a forget accuracy below this is too low for a table at "FA ~ 0.25"


def first_at(checkpoints: list[dict], threshold: float) -> dict | None:
    """First checkpoint after step 0 with a forget score of at most `threshold` on the development half."""
    candidates = [entry for entry in checkpoints if entry["step"] > 0]
    return next((entry for entry in candidates if entry["forget"]["development"]["value"] <= threshold), None)


def shown_steps(checkpoints: list[dict], original: dict, threshold: float) -> set[int]:
    """Steps that a table or figure may show, as far as the development half decides: the best balance, the first one
    with a forget score of at most `threshold`, and the last."""
    steps = {checkpoints[-1]["step"]}
    if not unmeasurable(original, "development"):
        steps.add(best_balance(checkpoints, original, "development")["step"])
    reached = first_at(checkpoints, threshold)
    return steps | ({reached["step"]} if reached else set())


def checked(metrics: dict, path: str, half: str) -> list[dict]:
    """Checkpoints of a metrics.json in step order; ends with one line if there is none, or none scored on `half`."""
    checkpoints = sorted(metrics.get("checkpoints", []), key=lambda entry: entry["step"])
    if not checkpoints:
        raise SystemExit(f"{path}: checkpoints: there is none")
    for entry in checkpoints:
        for name in ("forget", "utility"):
            if half not in entry[name]:
                raise SystemExit(
                    f"{path}: step {entry['step']}: {name} was not scored on {half!r} "
                    f"(scored: {', '.join(entry[name]) or 'nothing'})"
                )
    return checkpoints


def unmeasurable(original: dict, half: str) -> str | None:
    """Why nothing can be chosen on `half`: the untouched model is within 3 standard errors of chance; None if not."""
    reasons = []
    for name, verb in (("forget", "forget"), ("utility", "lose")):
        score = original[name][half]
        above = score["value"] - score["chance"]
        if score["stderr"] is None or above <= 0 or above < MEASURABLE * score["stderr"]:
            reasons.append(
                f"nothing measurable to {verb}: the untouched model scores "
                f"{score['value']:.3f}, chance is {score['chance']:.3f}"
            )
    return "; ".join(reasons) or None


def keep_and_left(entry: dict, original: dict, half: str) -> tuple[float, float]:
    """(Keep, Left) of a checkpoint on `half`, each in [0, 1]; the untouched model must be above chance there."""

    def share(name: str) -> float:
        now, before = entry[name][half], original[name][half]
        return min(1.0, max(0.0, (now["value"] - before["chance"]) / (before["value"] - before["chance"])))

    return share("utility"), share("forget")


def best_balance(checkpoints: list[dict], original: dict, half: str) -> dict:
    """The checkpoint with the best balance on `half`. Step 0, the untouched model, is no candidate."""
    candidates = [entry for entry in checkpoints if entry["step"] > 0]
    intact = [entry for entry in candidates if not entry["collapsed"]]

    def rank(entry: dict) -> tuple[float, int]:
        keep, left = keep_and_left(entry, original, half)
        return -round(keep - left, 12), entry["step"]  # rounded: the last bit must not decide a tie

    return min(intact or candidates, key=rank)
