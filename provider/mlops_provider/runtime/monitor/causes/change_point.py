"""Where a series of numbers began to be another one: one change of its mean.

The place is where the two sides differ most (the CUSUM statistic of binary segmentation: Scott and Knott 1974,
Vostrikova 1981); whether that may be chance is a permutation test (Antoch and Hušková 2001): how often shuffled values
differ as much somewhere. Neighbours that depend on each other make the p-value too small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

SHUFFLES = 999
MOST_BLOCKS = 400
LEAST = 5
SURE = 0.01
_CHUNKS = 20
"""Parts that the shuffles are compared in: each fits the processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePoint:
    """The change: `place` is the first value after it; the means of both sides, and the p-value."""

    place: int
    before: float
    after: float
    p_value: float


def find_change(values: Sequence[float], *, sure: float = SURE, seed: int = 0) -> ChangePoint | None:
    """Find the one change of the mean; None where there are fewer than 5 values or it may be chance.

    Of a long series, means of blocks of successive values are compared first, then the place is sought near the best.
    """
    import numpy as np

    series = np.asarray(values, dtype="float64")
    series = np.where(np.isfinite(series), series, np.nan)
    known = np.flatnonzero(~np.isnan(series))
    if len(known) < LEAST:
        return None
    scale = float(np.abs(series[known]).max()) or 1.0
    whole = series[known] / scale  # so that sums of the largest numbers there are stay finite
    length = -(-len(whole) // MOST_BLOCKS)
    blocks = np.array([part.mean() for part in np.array_split(whole, -(-len(whole) // length))])
    best = _statistic(blocks)
    highest = float(best.max())
    if highest <= 0 or len(blocks) < LEAST:
        return None
    random = np.random.default_rng(seed)
    shuffled = np.stack([random.permutation(blocks) for _ in range(SHUFFLES)])
    apart = np.concatenate([_statistic(some).max(axis=1) for some in np.array_split(shuffled, _CHUNKS)])
    p_value = float((apart >= highest * (1 - 1e-12)).sum() + 1) / (SHUFFLES + 1)
    if p_value > sure:
        return None
    place = int(np.argmax(_statistic(whole))) + 1
    before, after = (float(side.mean()) * scale for side in (whole[:place], whole[place:]))
    return ChangePoint(place=int(known[place]), before=before, after=after, p_value=p_value)


def _statistic(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Give for each place after k values how far the means of both sides are apart, weighed by their sizes.

    `values` is one series, or several of one length in rows.
    """
    import numpy as np

    count = values.shape[-1]
    sizes = np.arange(1, count)
    sums = np.cumsum(values, axis=-1)[..., :-1]
    total = values.sum(axis=-1, keepdims=True)
    apart = np.abs(sums / sizes - (total - sums) / (count - sizes))
    return np.asarray(apart * np.sqrt(sizes * (count - sizes) / count))
