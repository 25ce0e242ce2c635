"""The table of all metrics: kind of problem -> name -> metric."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, overload

from mlops_provider.exceptions import ConfigError
from mlops_provider.runtime.metrics import binary, forecasting, multiclass, multilabel, ranking, regression

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from mlops_provider.runtime.metrics.metric import Metric
    from mlops_provider.store.models import Kind, Signature

    Array = np.ndarray[Any, Any]

_MODULES = (binary, multiclass, multilabel, regression, ranking, forecasting)
METRICS: Mapping[Kind, Mapping[str, Metric]] = {
    module.__name__.rpartition(".")[2]: {metric.name: metric for metric in module.METRICS}  # type: ignore[misc]
    for module in _MODULES
}
LOWER_IS_BETTER = frozenset(
    metric.name for metrics in METRICS.values() for metric in metrics.values() if metric.better != "higher"
)
"""Metrics of which less is better; of 'bias', less of its size."""

_DECIDES: Mapping[str, str] = {
    "classification": "accuracy",
    "multilabel": "f1_micro",
    "regression": "rmse",
    "ranking": "ndcg",
    "forecasting": "rmse",
}


def deciding(task: str) -> str:
    """Give the metric that decides where one must and none was chosen: in a search, in an importance."""
    return _DECIDES[task]


def is_lower_better(name: str) -> bool:
    """Say whether a smaller value of a known metric is better."""
    return name in LOWER_IS_BETTER


@overload
def goodness(name: str, value: float, *, lower_is_better: bool | None = None) -> float: ...
@overload
def goodness(name: str, value: Array, *, lower_is_better: bool | None = None) -> Array: ...
def goodness(name: str, value: Any, *, lower_is_better: bool | None = None) -> Any:
    """Give a number that is higher where the value of the metric is better, in the metric's own unit.

    `value` may be an array of them; `lower_is_better` is said of metrics that are not in the table.
    """
    if lower_is_better is not None:
        return -value if lower_is_better else value
    if name == "bias":
        return -abs(value)
    return -value if is_lower_better(name) else value


def known(kind: Kind) -> list[str]:
    """Give the names of all metrics of a kind of problem."""
    return list(METRICS[kind])


def usual(kind: Kind) -> list[str]:
    """Give the names of the metrics that are measured without being asked for."""
    return [metric.name for metric in METRICS[kind].values() if metric.usual]


def measurable(signature: Signature, *, probabilities: bool) -> list[str]:
    """Give the names of the metrics that one truth and one prediction of each row are enough for.

    `probabilities`: those of each class are there too.
    """
    kind = signature.kind
    if kind in {"ranking", "multilabel"}:
        return []
    needs = {"predictions", "probabilities"} if probabilities else {"predictions"}
    return [metric.name for metric in METRICS[kind].values() if metric.needs in needs]


def find(kind: Kind, name: str) -> Metric:
    """Give a metric by its name; ConfigError says which there are."""
    metrics = METRICS[kind]
    if name not in metrics:
        close = get_close_matches(name, metrics, n=1)
        guess = f"did you mean '{close[0]}'? " if close else ""
        raise ConfigError(f"there is no metric {name} for {_ARTICLE[kind]}", hint=f"{guess}known: {', '.join(metrics)}")
    return metrics[name]


_ARTICLE: Mapping[Kind, str] = {
    "binary": "a classification of two classes",
    "multiclass": "a classification of more than two classes",
    "multilabel": "a model of several labels",
    "regression": "a regression",
    "ranking": "a ranking",
    "forecasting": "a forecast",
}
