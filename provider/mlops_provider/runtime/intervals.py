"""How sure metrics are: 95 % intervals by the percentiles of a bootstrap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.resampling import resample

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from mlops_provider.runtime.answers import Answers
    from mlops_provider.runtime.resampling import Draws

    Array = np.ndarray[Any, Any]

LOW, HIGH = 0.025, 0.975
_LEAST_DEFINED = 0.5


def intervals(answers: Answers, found: Mapping[str, float], *, seed: int = 0) -> dict[str, tuple[float, float]]:
    """Give the 95 % interval of metrics, by their values; how rows are drawn is said in `resampling`.

    A metric that half of the draws or more do not define, and one of an extreme, such as max_error, has none.
    """
    return intervals_of(resample([answers], found, seed=seed), found)


def intervals_of(draws: Mapping[str, Draws], found: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Give the intervals of the first model's metrics from draws."""
    between = {name: percentiles(each.values[0], found[name], each.shrink) for name, each in draws.items()}
    return {name: low_high for name, low_high in between.items() if low_high}


def percentiles(values: Array, centre: float, shrink: float) -> tuple[float, float] | None:
    """Give the interval of a value from its draws, their distances from it shrunk; None where too few are defined."""
    import numpy as np

    defined = values[np.isfinite(values)]
    if len(defined) <= _LEAST_DEFINED * len(values):
        return None
    if shrink < 1:
        defined = centre + (defined - centre) * shrink
    low, high = np.quantile(defined, [LOW, HIGH])
    return float(low), float(high)
