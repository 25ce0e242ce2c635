"""How sure metrics are: bootstrap intervals at a bounded cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops_provider.runtime.answers import Answers

RESAMPLES = 200
MOST_ROWS = 10_000


def intervals(answers: Answers, names: Iterable[str], *, seed: int = 0) -> dict[str, tuple[float, float]]:
    """Give 95 % intervals of metrics: percentiles of 200 resamples of the rows.

    Of more than 10,000 rows, resamples of 10,000 are drawn and the distances from the metric shrunk by the root of
    the ratio of the sizes (the m out of n bootstrap).
    """
    import numpy as np

    names = list(names)
    if not names:
        return {}
    random = np.random.default_rng(seed)
    rows = min(len(answers), MOST_ROWS)
    samples: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(RESAMPLES):
        for name, value in answers.take(random.integers(0, len(answers), rows)).measure(names, {}).items():
            samples[name].append(value)
    centre = answers.measure(names, {}) if rows < len(answers) else {}
    found: dict[str, tuple[float, float]] = {}
    for name, values in samples.items():
        if values:
            low, high = (float(np.quantile(values, share)) for share in (0.025, 0.975))
            found[name] = _shrunk(low, high, centre.get(name), math.sqrt(rows / len(answers)))
    return found


def _shrunk(low: float, high: float, centre: float | None, factor: float) -> tuple[float, float]:
    if centre is None:
        return low, high
    return centre + (low - centre) * factor, centre + (high - centre) * factor
