"""Metrics of forecasts: those of numbers, and against the naive forecast that repeats the value one season earlier.

The season is the one of the training. The naive forecast is made of the rows that are judged; the rows of the first
season have none and do not count for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.metrics import regression
from mlops_provider.runtime.metrics.metric import Metric

if TYPE_CHECKING:
    import numpy as np

    from mlops_provider.runtime.answers import Answers

    Array = np.ndarray[Any, Any]

_USUAL = frozenset({"mae", "rmse", "wape", "bias"})
_LEFT_OUT = frozenset({"explained_variance"})


def _smape(answers: Answers) -> float:
    return float(_symmetric(answers).mean())


def _symmetric(answers: Answers) -> Array:
    """Give twice the absolute error over the sum of both sizes, between 0 and 2; 0 where both are zero."""
    import numpy as np

    size = abs(answers.truth) + abs(answers.predicted)
    found: Array = np.divide(2 * regression.absolute(answers), size, out=np.zeros(len(size)), where=size > 0)
    return found


def _mase(answers: Answers) -> float:
    """Mean absolute error over that of the naive forecast (Hyndman and Koehler 2006)."""
    naive, known = _naive(answers)
    scale = float(abs(answers.truth[known] - naive[known]).mean())
    if scale == 0:
        raise ValueError("the naive forecast makes no error")
    return float(regression.absolute(answers).mean()) / scale


def _skill(answers: Answers) -> float:
    """One minus the ratio of the mean squared errors, both on the rows that have a naive forecast (Murphy 1988)."""
    naive, known = _naive(answers)
    truth = answers.truth[known]
    scale = float(((truth - naive[known]) ** 2).mean())
    if scale == 0:
        raise ValueError("the naive forecast makes no error")
    return 1 - float(((truth - answers.predicted[known]) ** 2).mean()) / scale


def _naive(answers: Answers) -> tuple[Array, Array]:
    import numpy as np

    if answers.naive is None:
        raise ValueError("the rows have no order in time")
    known = np.isfinite(answers.naive)
    if not known.any():
        raise ValueError(f"no row has another one season ({answers.signature.season} rows) earlier")
    return answers.naive, known


def _as_forecast(metric: Metric) -> Metric:
    from dataclasses import replace

    return replace(metric, usual=metric.name in _USUAL)


METRICS = (
    *(_as_forecast(metric) for metric in regression.METRICS if metric.name not in _LEFT_OUT),
    Metric(
        name="mase", description="Mean absolute error over that of repeating the value one season earlier.",
        function=_mase, better="lower", needs="season", usual=True,
    ),
    Metric(
        name="smape", description="Mean of twice the absolute error over the sizes of truth and forecast (0 to 2).",
        function=_smape, better="lower", each=_symmetric,
    ),
    Metric(
        name="skill", description="One minus the squared error over that of repeating the value one season earlier.",
        function=_skill, needs="season", usual=True,
    ),
)  # fmt: skip
