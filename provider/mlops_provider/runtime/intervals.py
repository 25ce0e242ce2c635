"""How sure metrics are: bootstrap intervals at a bounded cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.metrics import compute

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

    Array = np.ndarray[Any, Any]

RESAMPLES = 200
MOST_ROWS = 10_000


def intervals(
    task: str,
    truth: Array,
    predicted: Array,
    probabilities: Array | None,
    classes: Sequence[Any],
    names: Iterable[str],
    *,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Give 95 % intervals of metrics: percentiles of 200 resamples of the rows.

    Of more than 10,000 rows, resamples of 10,000 are drawn and the distances from the metric shrunk by the root of
    the ratio of the sizes (the m out of n bootstrap).
    """
    import numpy as np

    names = list(names)
    if not names:
        return {}
    random = np.random.default_rng(seed)
    rows = min(len(truth), MOST_ROWS)
    samples: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(RESAMPLES):
        drawn = random.integers(0, len(truth), rows)
        chances = None if probabilities is None else probabilities[drawn]
        for name, value in compute(task, truth[drawn], predicted[drawn], chances, classes, names).items():
            samples[name].append(value)
    centre = compute(task, truth, predicted, probabilities, classes, names) if rows < len(truth) else {}
    found: dict[str, tuple[float, float]] = {}
    for name, values in samples.items():
        if values:
            low, high = (float(np.quantile(values, share)) for share in (0.025, 0.975))
            found[name] = _shrunk(low, high, centre.get(name), math.sqrt(rows / len(truth)))
    return found


def _shrunk(low: float, high: float, centre: float | None, factor: float) -> tuple[float, float]:
    if centre is None:
        return low, high
    return centre + (low - centre) * factor, centre + (high - centre) * factor
