"""Fairness: how a model treats the groups of a sensitive column, in fairlearn's metrics, with intervals.

The numbers are fairlearn's (Bird et al., Fairlearn, 2020). The intervals are ours: percentiles over resamples of each
group, of the signed difference between the two groups that are furthest apart. The difference of largest and smallest
itself can only grow by chance, so that its resamples would say too much.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.imports import import_extra
from mlops_provider.runtime.explanation.groups import groups_of
from mlops_provider.runtime.explanation.rates import make_rates

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd

    from mlops_provider.runtime.answers import Answers
    from mlops_provider.runtime.explanation.rates import Rate

    Array = np.ndarray[Any, Any]

EXTRA = "explain"
MINIMUM_ROWS = 30
"""Smaller groups are shown, but say too little to be compared."""
MINIMUM_COUNTED = 10
"""So many rows of a group a rate must count: a true positive rate of three positives says too little as well."""
RESAMPLES = 500
_PAIR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One group: how many rows, whether they are enough to be compared, the rates that it defines with intervals."""

    name: str
    rows: int
    compared: bool
    rates: dict[str, float]
    intervals: dict[str, tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One metric of fairness: its value, its 95 % interval, and the groups that make it, by the rate that does."""

    metric: str
    value: float
    low: float
    high: float
    rate: str
    most: str
    least: str
    most_rate: float
    least_rate: float

    def said(self) -> str:
        """Say who is furthest apart."""
        rate = self.rate.replace("_", " ")
        return f"{rate} {self.most_rate:.4g} of '{self.most}', {self.least_rate:.4g} of '{self.least}'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fairness:
    """The groups of one column, the gaps between them by metric; of metrics that cannot be had, why."""

    column: str
    groups: tuple[Group, ...]
    gaps: dict[str, Gap]
    undefined: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Metric:
    """A metric of fairness: fairlearn's function of truth, prediction and groups, and the rates that it compares."""

    function: Callable[[Array, Array, Array], float]
    rates: tuple[str, ...]
    ratio: bool = False


def measure_fairness(answers: Answers, column: pd.Series[Any], *, favorable: str = "", seed: int = 0) -> Fairness:
    """Compare the groups of one column.

    Groups below 30 rows are shown and left out of the gaps; so are those of which a rate counts less than 10 rows, as
    the true positive rate does in a group with few positives. `favorable` is as in `make_rates`.
    """
    import numpy as np

    groups = groups_of(column)
    codes, names = groups.codes, list(map(str, groups.categories))
    rates = make_rates(answers, favorable)
    rows = [int((codes == code).sum()) for code in range(len(names))]
    large = [count >= MINIMUM_ROWS for count in rows]
    by_rate, counted = {}, {}
    for name, rate in rates.items():
        by_rate[name], counted[name] = rate.by_group(codes, len(names))
    gaps: dict[str, Gap] = {}
    undefined: dict[str, str] = {}
    for metric, how in _metrics(set(rates)).items():
        enough = np.all([counted[rate] >= MINIMUM_COUNTED for rate in how.rates], axis=0)
        usable = [code for code in range(len(names)) if large[code] and enough[code]]
        if len(usable) < _PAIR:
            undefined[metric] = _reason(str(column.name), names, large, how)
        else:
            gaps[metric] = _gap(metric, how, rates, by_rate, codes, names, usable, seed)
    shown = [
        _group(name, code, rows[code], rates, by_rate, codes, seed, compared=large[code])
        for code, name in enumerate(names)
    ]
    return Fairness(column=str(column.name), groups=tuple(shown), gaps=gaps, undefined=undefined)


def _group(
    name: str,
    code: int,
    rows: int,
    rates: dict[str, Rate],
    by_rate: dict[str, Array],
    codes: Array,
    seed: int,
    *,
    compared: bool,
) -> Group:
    import numpy as np

    defined = {rate: float(values[code]) for rate, values in by_rate.items() if np.isfinite(values[code])}
    inside = codes == code
    intervals = {}
    for rate, value in defined.items():
        drawn = rates[rate].resampled(inside, RESAMPLES, np.random.default_rng(seed))
        low, high = (float(np.quantile(drawn, share)) for share in (0.025, 0.975))
        intervals[rate] = (min(low, value), max(high, value))
    return Group(name=name, rows=rows, compared=compared, rates=defined, intervals=intervals)


def _reason(column: str, names: list[str], large: list[bool], how: _Metric) -> str:
    if len(names) < _PAIR:
        return f"'{column}' has one group only, '{names[0]}'"
    if sum(large) < _PAIR:
        return f"of the {len(names)} groups of '{column}' {sum(large)} have {MINIMUM_ROWS} rows; two must"
    rates = " and ".join(rate.replace("_", " ") for rate in how.rates)
    return f"the {rates} of fewer than two groups of '{column}' count {MINIMUM_COUNTED} rows: they lack a class"


def _gap(
    metric: str,
    how: _Metric,
    rates: dict[str, Rate],
    by_rate: dict[str, Array],
    codes: Array,
    names: list[str],
    usable: list[int],
    seed: int,
) -> Gap:
    import numpy as np

    def widest(rate: str) -> tuple[int, int]:
        values = by_rate[rate]
        return max(usable, key=lambda code: values[code]), min(usable, key=lambda code: values[code])

    rate = max(how.rates, key=lambda name: by_rate[name][widest(name)[0]] - by_rate[name][widest(name)[1]])
    most, least = widest(rate)
    inside = np.isin(codes, usable)
    truth, predicted = rates[rate].compared
    value = float(how.function(truth[inside], predicted[inside], np.array(names, dtype=object)[codes[inside]]))
    low, high = _interval(rates[rate], codes, most, least, ratio=how.ratio, seed=seed)
    low, high = (min(low, value), max(high, value))
    return Gap(
        metric=metric,
        value=value,
        low=max(low, 0.0),
        high=min(high, 1.0) if how.ratio else high,
        rate=rate,
        most=names[most],
        least=names[least],
        most_rate=float(by_rate[rate][most]),
        least_rate=float(by_rate[rate][least]),
    )


def _interval(rate: Rate, codes: Array, most: int, least: int, *, ratio: bool, seed: int) -> tuple[float, float]:
    """Give percentiles of the signed difference (or the ratio) of two groups over resamples of each one's rows."""
    import numpy as np

    random = np.random.default_rng(seed)
    drawn = [rate.resampled(codes == code, RESAMPLES, random) for code in (most, least)]
    values = drawn[1] / drawn[0] if ratio else drawn[0] - drawn[1]
    return float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))


def _metrics(rates: set[str]) -> dict[str, _Metric]:
    """Give the metrics that can be made of these rates."""
    fairlearn = import_extra("fairlearn.metrics", EXTRA)

    def named(name: str) -> Callable[[Array, Array, Array], float]:
        function = getattr(fairlearn, name)
        return lambda truth, predicted, groups: function(truth, predicted, sensitive_features=groups)

    def between(measure: Callable[..., float]) -> Callable[[Array, Array, Array], float]:
        def difference(truth: Array, predicted: Array, groups: Array) -> float:
            frame = fairlearn.MetricFrame(metrics=measure, y_true=truth, y_pred=predicted, sensitive_features=groups)
            return float(frame.difference(method="between_groups"))

        return difference

    def mean_error(truth: Array, predicted: Array) -> float:
        return float((predicted - truth).mean())

    def mae(truth: Array, predicted: Array) -> float:
        return float(abs(predicted - truth).mean())

    both = ("true_positive_rate", "false_positive_rate")
    known = {
        "demographic_parity_difference": _Metric(named("demographic_parity_difference"), ("selection_rate",)),
        "demographic_parity_ratio": _Metric(named("demographic_parity_ratio"), ("selection_rate",), ratio=True),
        "equalized_odds_difference": _Metric(named("equalized_odds_difference"), both),
        "true_positive_rate_difference": _Metric(named("true_positive_rate_difference"), both[:1]),
        "false_positive_rate_difference": _Metric(named("false_positive_rate_difference"), both[1:]),
        "accuracy_difference": _Metric(named("accuracy_score_difference"), ("accuracy",)),
        "mean_prediction_difference": _Metric(between(fairlearn.mean_prediction), ("mean_prediction",)),
        "mean_error_difference": _Metric(between(mean_error), ("mean_error",)),
        "mae_difference": _Metric(between(mae), ("mae",)),
    }
    return {name: metric for name, metric in known.items() if rates.issuperset(metric.rates)}
