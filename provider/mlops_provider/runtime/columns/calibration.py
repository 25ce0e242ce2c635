"""How large a score is by chance: its distribution where nothing has changed, at the sizes of baseline and window.

Both sides are drawn from the baseline's profile again and again (a parametric bootstrap of the multinomial that the
profile is; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 16). Scores that are rarer than
the draws can tell get the tail of the gamma distribution with the draws' mean and variance: it is heavier than that of
these distances, whose squares are sums of squares of nearly normal deviations, so that chance is not underrated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.columns.sampling import resample
from mlops_provider.runtime.columns.scores import Method, score

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops_provider.runtime.columns.profile import ColumnProfile

DRAWS = 200
"""Windows that a distribution is made of."""
_STEPS = 4
"""Sizes of windows for each power of two; between them the smaller one counts, which makes chance larger."""
_EXACT = 50
"""From so many times the window's size on a baseline is taken as it is: its own noise is below a tenth."""
_COUNTED = 10
"""Draws beyond a score that are enough to count instead of using the tail."""


@dataclass(frozen=True, slots=True)
class Chance:
    """The scores of windows in which nothing has changed, ascending; infinite of those that could not be compared."""

    scores: tuple[float, ...]

    @classmethod
    def from_list(cls, scores: Iterable[float | None]) -> Self:
        """Make it from its JSON form."""
        return cls(tuple(math.inf if score is None else score for score in scores))

    def to_list(self) -> list[float | None]:
        """Give the JSON form, which has null for what is infinite."""
        return [score if math.isfinite(score) else None for score in self.scores]

    @classmethod
    def of(cls, baseline: ColumnProfile, rows: int, method: Method, draws: int = DRAWS) -> Chance:
        """Draw it; the same baseline, size and method give the same distribution."""
        import numpy as np

        generator = np.random.default_rng(int(baseline.digest[:16], 16))
        found = []
        for _ in range(draws):
            before = baseline if baseline.rows >= _EXACT * rows else resample(baseline, baseline.rows, generator)
            after = resample(baseline, rows, generator)
            try:
                found.append(score(before, after, method))
            except DataError:  # a side without values, where nearly all are missing: no difference can be seen
                found.append(math.inf)
        return cls(tuple(sorted(found)))

    def p_value(self, found: float) -> float:
        """Give the probability of a score as large as one that was found."""
        import numpy as np
        from scipy.special import gammaincc

        scores = np.asarray(self.scores)
        beyond = int((scores >= found).sum())
        counted = (beyond + 1) / (len(scores) + 1)
        if beyond >= _COUNTED:
            return counted
        if not np.isfinite(scores).all():  # the largest of them have no place in a mean
            return counted
        mean, variance = float(scores.mean()), float(scores.var(ddof=1))
        if not math.isfinite(variance) or variance <= 0:
            return counted if beyond else 0.0
        tail = float(gammaincc(mean * mean / variance, found / (variance / mean)))
        return min(tail, (_COUNTED + 1) / (len(scores) + 1))


def grid(rows: int) -> int:
    """Give the size that a window of some rows is calibrated at: the next smaller of four for each power of two."""
    if rows <= 1:
        return max(rows, 1)
    return int(2 ** (math.floor(math.log2(rows) * _STEPS + 1e-9) / _STEPS))
