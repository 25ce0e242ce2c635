"""The rows of the prediction log as answers: what the model said and what came true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.answers import Answers
from mlops_provider.runtime.metrics import measurable
from mlops_provider.runtime.metrics.table import METRICS
from mlops_provider.runtime.predictions import FEATURE_PREFIX

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mlops_provider.store.models import Signature

    Array = np.ndarray[Any, Any]

_TWO = 2
_KINDS: dict[str, Any] = {"integer": "int64", "float": "float64", "boolean": "bool"}


def measured_by_log(signature: Signature) -> list[str]:
    """Give the metrics that the log is enough for.

    It has the probability of the predicted class: enough for those of two classes, not of more, nor of several labels.
    What a ranking ranks together are the rows of one request.
    """
    if signature.task in {"ranking", "multilabel"}:
        return [metric.name for metric in METRICS[signature.kind].values() if metric.needs == "predictions"]
    return measurable(signature, probabilities=len(signature.classes) == _TWO)


def answers_of(signature: Signature, rows: pd.DataFrame) -> Answers:
    """Give the answers of rows that have prediction and truth, in their order."""
    import numpy as np

    truth, predicted = (_values(signature, rows[name]) for name in ("truth", "prediction"))
    query = time = None
    if signature.task == "ranking":
        query = rows["request_id"].factorize()[0]
    if signature.task == "forecasting":
        time = np.empty(len(rows), dtype=np.int64)
        time[rows["ts"].argsort(kind="stable").to_numpy()] = np.arange(len(rows))
    return Answers(
        signature=signature,
        truth=truth,
        predicted=predicted,
        probabilities=class_probabilities(signature, predicted, rows["probability"]),
        query=query,
        time=time,
    )


def not_finite(answers: Answers) -> int:
    """Give how many predicted numbers are infinite; those of classes never are."""
    import numpy as np

    if answers.signature.task in {"classification", "multilabel"}:
        return 0
    return int((~np.isfinite(answers.predicted)).sum())


def data_of(signature: Signature, rows: pd.DataFrame) -> pd.DataFrame:
    """Give rows of the log as a model's data has them: features and truth by their names, in the rows' order."""
    features = [name for name in rows.columns.astype(str) if name.startswith(FEATURE_PREFIX)]
    frame = rows[features].rename(columns=lambda name: str(name).removeprefix(FEATURE_PREFIX)).reset_index(drop=True)
    if signature.query:
        frame[signature.query] = rows["request_id"].to_numpy()
    if signature.timestamp and signature.timestamp not in frame:
        frame[signature.timestamp] = rows["ts"].to_numpy()
    truth = _values(signature, rows["truth"])
    for place, name in enumerate(signature.targets()):
        frame[name] = truth[:, place] if signature.labels else truth
    return frame


def class_probabilities(signature: Signature, predicted: Array, probability: pd.Series[Any]) -> Array | None:
    """Give the probabilities of both of two classes from that of the predicted one; None where they are not known."""
    import numpy as np

    given = probability.astype(float).to_numpy()
    if len(signature.classes) != _TWO or np.isnan(given).any():
        return None
    positive = np.where(predicted == signature.classes[1], given, 1 - given)
    return np.column_stack([1 - positive, positive])


def _values(signature: Signature, column: pd.Series[Any]) -> Array:
    import numpy as np

    if signature.task == "multilabel":
        return np.array([list(each) for each in column], dtype=np.int64).reshape(len(column), len(signature.labels))
    if signature.task != "classification":
        return column.astype("float64").to_numpy()
    return column.astype(_KINDS.get(signature.target_type, "object")).to_numpy()
