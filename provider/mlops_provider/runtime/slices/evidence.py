"""How sure it is that a slice is worse than the rest: tests, and the control of false discoveries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    Array = np.ndarray[Any, Any]

ALPHA = 0.05
_TWO_SIDED = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The losses (n) and the scores that are tested.

    Where most rows share the least loss (right answers, as a rule), the score is 1 for the others and the test is
    Fisher's exact one. Elsewhere it is the loss's rank (Mann, Whitney), so that no single huge loss makes a slice.
    Both ask: how often would as many rows, drawn by chance, have so high a sum?
    """

    losses: Array
    scores: Array
    exact: bool
    total: float
    spread: float

    @classmethod
    def of(cls, losses: Array) -> Self:
        """Prepare the losses of n rows."""
        import numpy as np
        from scipy.stats import rankdata

        over = losses > losses.min()
        two_values = not over.any() or losses[over].min() == losses.max()
        exact = bool(two_values or 2 * over.sum() <= len(losses))
        scores = over.astype(np.float64) if exact else rankdata(losses)
        return cls(losses=losses, scores=scores, exact=exact, total=float(losses.sum()), spread=float(losses.std()))

    def take(self, rows: Array) -> Self:
        """Give the evidence of some rows; the scores keep their meaning."""
        losses = self.losses[rows]
        return type(self)(
            losses=losses,
            scores=self.scores[rows],
            exact=self.exact,
            total=float(losses.sum()),
            spread=float(losses.std()),
        )

    def at_least(self, counts: Array, sums: Array) -> Array:
        """Give the lower ends of the 95 % intervals of (mean loss of the slice - mean loss of the rest).

        The spread is that of all rows: thirty rows that are all wrong are not surer than three hundred.
        """
        import numpy as np

        rest = len(self.losses) - counts
        with np.errstate(divide="ignore", invalid="ignore"):
            gap = sums / counts - (self.total - sums) / rest
            low = gap - _TWO_SIDED * self.spread * np.sqrt(1 / counts + 1 / rest)
        return np.where((counts > 0) & (rest > 0), low, -np.inf)

    def p_values(self, counts: Array, score_sums: Array) -> Array:
        """Give the one-sided p-values of slices of so many rows with such sums of scores."""
        import numpy as np
        from scipy.stats import hypergeom, norm

        rows = len(self.scores)
        if self.exact:
            return np.asarray(hypergeom.sf(score_sums - 1, rows, int(self.scores.sum()), counts))
        expected = counts * self.scores.mean()
        variance = counts * (rows - counts) / max(rows - 1, 1) * self.scores.var()
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(variance > 0, (score_sums - expected) / np.sqrt(variance), 0.0)
        return np.asarray(norm.sf(z))


def discoveries(p_values: Sequence[float], tested: int, alpha: float) -> list[bool]:
    """Say which p-values are discoveries among `tested` (Benjamini and Hochberg 1995); those not given count as 1."""
    last = -1.0
    for place, value in enumerate(sorted(p_values), start=1):
        if value <= alpha * place / max(tested, 1):
            last = value
    return [value <= last for value in p_values]
