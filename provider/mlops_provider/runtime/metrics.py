"""Metrics of a model on labelled rows, by task, as scikit-learn defines them."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np

    Array = np.ndarray[Any, Any]

CLASSIFICATION = ("accuracy", "precision", "recall", "f1", "log_loss", "roc_auc")
REGRESSION = ("mae", "rmse", "r2", "mape")
LOWER_IS_BETTER = frozenset({"log_loss", "mae", "rmse", "mape"})


def compute(
    task: str,
    truth: Array,
    predicted: Array,
    probabilities: Array | None,
    classes: Sequence[Any],
    wanted: Iterable[str] = (),
    undefined: dict[str, str] | None = None,
) -> dict[str, float]:
    """Give the metrics of a task; those that this data does not define are left out, `undefined` takes the reasons.

    precision, recall and f1 of two classes are those of the second class (the positive one), of more classes the
    mean over classes. roc_auc of more classes is one against the rest.
    """
    known = CLASSIFICATION if task == "classification" else REGRESSION
    names = list(wanted) or list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(f"there is no metric {', '.join(unknown)} for {task}", hint=f"known: {', '.join(known)}")
    makers = _classification(probabilities, classes) if task == "classification" else _regression()
    found: dict[str, float] = {}
    reasons: dict[str, str] = {} if undefined is None else undefined
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            if name not in makers:
                reasons[name] = "the model gives no probabilities"
                continue
            try:
                value = float(makers[name](truth, predicted))
            except ValueError as err:
                reasons[name] = " ".join(str(err).split())[:200]
                continue
            if math.isfinite(value):
                found[name] = value
            else:
                reasons[name] = f"it is {value} on {len(truth)} rows with {len(set(truth.tolist()))} different truths"
    return found


def _classification(probabilities: Array | None, classes: Sequence[Any]) -> dict[str, Callable[[Array, Array], float]]:
    from sklearn import metrics

    binary = len(classes) == 2  # noqa: PLR2004 (two classes)
    how: dict[str, Any] = {"zero_division": 0.0}
    how |= {"average": "macro", "labels": [classes[1]]} if binary else {"average": "macro"}  # true labels may be new
    makers: dict[str, Callable[[Array, Array], float]] = {
        "accuracy": metrics.accuracy_score,
        "precision": lambda truth, predicted: metrics.precision_score(truth, predicted, **how),
        "recall": lambda truth, predicted: metrics.recall_score(truth, predicted, **how),
        "f1": lambda truth, predicted: metrics.f1_score(truth, predicted, **how),
    }
    if probabilities is not None:
        labels = list(classes)
        makers["log_loss"] = lambda truth, _: metrics.log_loss(truth, probabilities, labels=labels)
        if binary:
            makers["roc_auc"] = lambda truth, _: metrics.roc_auc_score(truth == classes[1], probabilities[:, 1])
        else:
            makers["roc_auc"] = lambda truth, _: metrics.roc_auc_score(
                truth, probabilities, multi_class="ovr", labels=labels
            )
    return makers


def _regression() -> dict[str, Callable[[Array, Array], float]]:
    from sklearn import metrics

    return {
        "mae": metrics.mean_absolute_error,
        "rmse": metrics.root_mean_squared_error,
        "r2": metrics.r2_score,
        "mape": _mape,
    }


def _mape(truth: Array, predicted: Array) -> float:
    from sklearn import metrics

    if (truth == 0).any():
        raise ValueError("the mean absolute percentage error is not defined where the truth is zero")
    return float(metrics.mean_absolute_percentage_error(truth, predicted))
