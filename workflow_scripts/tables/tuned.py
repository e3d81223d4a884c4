"""The table of all that was tried in tuning."""

import math

import pandas

from rendering import labels
from rendering.styling import Wide


def widen_tuning(frame: pandas.DataFrame, settings: dict) -> Wide:
    """One line for each model, method, scope and learning rate of `results.read_tuning`; the chosen rate is bold."""
    texts = pandas.DataFrame({
        "Model": [labels.model(settings, model) for model in frame["model"]],
        "Method": [labels.method(method) for method in frame["method"]],
        "Trained": [labels.scope(scope) for scope in frame["scope"]],
        "Learning rate": [f"{rate:.0e}" for rate in frame["learning_rate"]],
        "Step": [str(step) for step in frame["step"]],
        "FA ↓": [f"{value:.3f}" for value in frame["fa"]],
        "UT ↑": [f"{value:.3f}" for value in frame["ut"]],
        "Keep": [_share(value) for value in frame["keep"]],
        "Left": [_share(value) for value in frame["left"]],
        "Keep - Left": [
            f"{_share(keep - left)}{'†' if collapsed else ''}"
            for keep, left, collapsed in zip(frame["keep"], frame["left"], frame["collapsed"], strict=True)
        ],
    })  # fmt: skip
    texts.columns = pandas.MultiIndex.from_tuples([("", column) for column in texts.columns])
    styles = pandas.DataFrame("", index=texts.index, columns=texts.columns)
    styles.loc[frame["chosen"].to_numpy(), ("", "Learning rate")] = "best"
    key = list(zip(frame["model"], frame["method"], frame["scope"], strict=True))
    return Wide(texts, styles, [i for i in range(1, len(key)) if key[i] != key[i - 1]])


def at_the_end(frame: pandas.DataFrame, settings: dict) -> str:
    """Which taken rates are the smallest or largest of their grid: a wider one might have found a better rate."""
    grids = frame.groupby(["model", "method", "scope"], sort=False)
    found = []
    for (model, method, scope), grid in grids:
        rate = grid.loc[grid["chosen"], "learning_rate"].iloc[0]
        if rate in (grid["learning_rate"].min(), grid["learning_rate"].max()):
            end = "smallest" if rate == grid["learning_rate"].min() else "largest"
            found.append(f"{labels.model(settings, model)} {labels.method(method)} {labels.scope(scope)} ({end})")
    if not found:
        return "No rate taken lies at an end of its grid."
    return f"{len(found)} of {len(grids)} rates taken lie at an end of their grid: {', '.join(found)}."


def _share(value: float) -> str:
    """Three decimals; a dash where nothing was measurable."""
    return "–" if math.isnan(value) else f"{value:.3f}"
