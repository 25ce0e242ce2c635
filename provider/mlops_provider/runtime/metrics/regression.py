"""Metrics of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.metrics.metric import Metric

if TYPE_CHECKING:
    import numpy as np

    from mlops_provider.runtime.answers import Answers

    Array = np.ndarray[Any, Any]


def _mae(answers: Answers) -> float:
    from sklearn.metrics import mean_absolute_error

    return float(mean_absolute_error(answers.truth, answers.predicted))


def _rmse(answers: Answers) -> float:
    from sklearn.metrics import root_mean_squared_error

    return float(root_mean_squared_error(answers.truth, answers.predicted))


def _r2(answers: Answers) -> float:
    from sklearn.metrics import r2_score

    return float(r2_score(answers.truth, answers.predicted))


def _mape(answers: Answers) -> float:
    from sklearn.metrics import mean_absolute_percentage_error

    _require_no_zero(answers)
    return float(mean_absolute_percentage_error(answers.truth, answers.predicted))


def _medae(answers: Answers) -> float:
    from sklearn.metrics import median_absolute_error

    return float(median_absolute_error(answers.truth, answers.predicted))


def _max_error(answers: Answers) -> float:
    from sklearn.metrics import max_error

    return float(max_error(answers.truth, answers.predicted))


def _rmsle(answers: Answers) -> float:
    from sklearn.metrics import root_mean_squared_log_error

    low = min(float(answers.truth.min()), float(answers.predicted.min()))
    if low <= -1:
        raise ValueError(f"the logarithm of 1 + value is not defined for {low:g}")
    return float(root_mean_squared_log_error(answers.truth, answers.predicted))


def _explained_variance(answers: Answers) -> float:
    from sklearn.metrics import explained_variance_score

    return float(explained_variance_score(answers.truth, answers.predicted))


def _bias(answers: Answers) -> float:
    return float((answers.predicted - answers.truth).mean())


def _wape(answers: Answers) -> float:
    total = float(abs(answers.truth).sum())
    if total == 0:
        raise ValueError("every true value is zero")
    return float(abs(answers.truth - answers.predicted).sum()) / total


def absolute(answers: Answers) -> Array:
    """Give the absolute error of each row."""
    return abs(answers.truth - answers.predicted)


def _squared(answers: Answers) -> Array:
    return absolute(answers) ** 2


def _relative(answers: Answers) -> Array:
    _require_no_zero(answers)
    found: Array = absolute(answers) / abs(answers.truth)
    return found


def _require_no_zero(answers: Answers) -> None:
    zeros = int((answers.truth == 0).sum())
    if zeros:
        raise ValueError(f"a percentage of zero is not defined: the truth is zero in {zeros} rows")


METRICS = (
    Metric(
        name="mae", description="Mean absolute error.", function=_mae, better="lower", usual=True, each=absolute
    ),
    Metric(
        name="rmse", description="Root of the mean squared error.", function=_rmse, better="lower", usual=True,
        each=_squared, root=True,
    ),
    Metric(name="r2", description="Share of the target's variance that is explained.", function=_r2, usual=True),
    Metric(
        name="mape", description="Mean absolute error as a share of the truth.", function=_mape, better="lower",
        usual=True, each=_relative,
    ),
    Metric(name="medae", description="Median absolute error.", function=_medae, better="lower"),
    Metric(
        name="max_error", description="Largest absolute error.", function=_max_error, better="lower", interval=False
    ),
    Metric(
        name="rmsle", description="Root of the mean squared error of the logarithms of 1 + value.", function=_rmsle,
        better="lower",
    ),
    Metric(
        name="wape", description="Sum of absolute errors as a share of the sum of the truth.", function=_wape,
        better="lower",
    ),
    Metric(name="bias", description="Mean of prediction minus truth; best at 0.", function=_bias, better="zero"),
    Metric(
        name="explained_variance", description="As r2, but a constant error costs nothing.",
        function=_explained_variance,
    ),
)  # fmt: skip
