"""The rows that a metric of the workflow's own gets: the data with truth, prediction and probability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mlops_provider.runtime.answers import Answers

    Array = np.ndarray[Any, Any]


VALUE, DRAWS = "value.json", "draws.json"
"""Files in which the process of a metric answers."""


def answer_columns(answers: Answers) -> dict[str, Array]:
    """Give the columns that stand beside the data.

    `truth`, `prediction` and `probability`: of two classes that of the positive one, of more that of the predicted one;
    missing where the model gives none. Of several labels each has its own, as `truth_<label>`.
    """
    import numpy as np

    rows = len(answers)
    chances = answers.probabilities
    if answers.signature.task == "multilabel":
        found: dict[str, Array] = {}
        for i, label in enumerate(answers.signature.labels):
            found[f"truth_{label}"] = answers.truth[:, i]
            found[f"prediction_{label}"] = answers.predicted[:, i]
            found[f"probability_{label}"] = np.full(rows, np.nan) if chances is None else chances[:, i]
        return found
    if chances is None:
        probability = np.full(rows, np.nan)
    elif answers.signature.kind == "binary":
        probability = chances[:, 1]
    else:
        predicted = answers.codes[1]
        known = predicted < chances.shape[1]
        probability = np.where(known, chances[np.arange(rows), np.where(known, predicted, 0)], np.nan)
    return {"truth": answers.truth, "prediction": answers.predicted, "probability": probability}


def rows_of(frame: pd.DataFrame, answers: Answers) -> pd.DataFrame:
    """Give the data with these columns; ConfigError where it has columns of these names itself."""
    columns = answer_columns(answers)
    taken = [name for name in columns if name in frame]
    if taken:
        raise ConfigError(
            f"the evaluation data has a column '{taken[0]}' itself, which metrics of your own would not see",
            hint="rename it with a transform",
        )
    return frame.assign(**columns)
