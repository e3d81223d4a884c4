"""The table of all that was tried in tuning."""

import pandas

from paper import labels
from paper.styling import Wide


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
        "Keep": [f"{value:.3f}" for value in frame["keep"]],
        "Left": [f"{value:.3f}" for value in frame["left"]],
        "Keep - Left": [
            f"{keep - left:.3f}{'†' if collapsed else ''}"
            for keep, left, collapsed in zip(frame["keep"], frame["left"], frame["collapsed"], strict=True)
        ],
    })  # fmt: skip
    texts.columns = pandas.MultiIndex.from_tuples([("", column) for column in texts.columns])
    styles = pandas.DataFrame("", index=texts.index, columns=texts.columns)
    styles.loc[frame["chosen"].to_numpy(), ("", "Learning rate")] = "best"
    key = list(zip(frame["model"], frame["method"], frame["scope"], strict=True))
    return Wide(texts, styles, [i for i in range(1, len(key)) if key[i] != key[i - 1]])
