"""The profile of a column: numbers in bins that depend on one centre only, categories with counts; profiles add up.

A number x falls by y = x - centre into the bin of the double that y rounds to at 10 significant bits: 512 bins for
each power of two, on both sides of the centre. Each bin keeps count and sum, so that what is integrated over a whole
bin is exact.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from mlops_provider.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    Array = np.ndarray[Any, Any]

Kind = Literal["number", "category", "boolean", "time", "text"]
MOST_CATEGORIES = 10_000
"""Values (of texts: words) that a profile names; the rest is counted as `other`."""
BIN_BITS = 43
"""Mantissa bits that a bin leaves out: 52 - 9."""
_LEAST_SQUARES = 1e-280
"""A sum of squares below it has lost digits: that of numbers below 1e-140; of those beyond 1e154 it is infinite."""


@dataclass(frozen=True, eq=False)
class ColumnProfile:
    """What a column holds.

    Of `rows`, `missing` are NULL or NaN, `infinite` are infinite or beyond 1e295, `wrong` are not of the kind (text
    where numbers belong). Numbers, times (seconds since 1970) and texts (their lengths) have `bins` (ascending), each
    with count and sum of x - centre, and over all the sum of its squares, minimum and maximum (NaN where there is
    none). Categories and booleans have counts of their values, texts of their words; `other` counts those beyond
    MOST_CATEGORIES.
    """

    kind: Kind
    rows: int
    missing: int = 0
    infinite: int = 0
    wrong: int = 0
    centre: float = 0.0
    bins: Array = field(default_factory=lambda: _none("int32"))
    counts: Array = field(default_factory=lambda: _none("int64"))
    sums: Array = field(default_factory=lambda: _none("float64"))
    squares: float = 0.0
    minimum: float = float("nan")
    maximum: float = float("nan")
    categories: Mapping[str, int] = field(default_factory=dict)
    other: int = 0

    @property
    def values(self) -> int:
        """Number of values that can be compared."""
        return self.rows - self.missing - self.infinite - self.wrong

    @property
    def numeric(self) -> bool:
        """Whether the values are numbers, or times as numbers."""
        return self.kind in {"number", "time"}

    @property
    def missing_share(self) -> float:
        """Share of rows without a usable value: missing, infinite, or of a wrong type; 0 of no rows."""
        return (self.rows - self.values) / self.rows if self.rows else 0.0

    @cached_property
    def mean(self) -> float:
        """Mean of the numbers; NaN of none."""
        total = int(self.counts.sum())
        return self.centre + float(self.sums.sum()) / total if total else float("nan")

    @cached_property
    def deviation(self) -> float:
        """Standard deviation of the numbers (of the population, as NumPy's default); NaN of none."""
        import numpy as np

        total = int(self.counts.sum())
        if not total:
            return float("nan")
        if self.minimum == self.maximum:
            return 0.0
        mean = float(self.sums.sum()) / total
        if not _LEAST_SQUARES < self.squares < math.inf or not math.isfinite(mean * mean):
            return spread(self.counts, self.sums)
        return float(np.sqrt(max(self.squares / total - mean * mean, 0.0)))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything in it: equal profiles have equal digests."""
        parts = hashlib.sha256()
        plain = (self.kind, self.rows, self.missing, self.infinite, self.wrong, self.centre, self.squares)
        parts.update(repr((*plain, self.minimum, self.maximum, sorted(self.categories.items()), self.other)).encode())
        for array in (self.bins, self.counts, self.sums):
            parts.update(array.tobytes())
        return parts.hexdigest()


def spread(counts: Array, sums: Array) -> float:
    """Give the standard deviation of bins from their means: less by a ten-millionth at most; 0 of none."""
    import numpy as np

    total = counts.sum()
    if not total:
        return 0.0
    means = sums / counts
    size = float(np.abs(means).max()) or 1.0  # in this unit no square overflows
    means = means / size
    mean = (counts * means).sum() / total
    return size * float(np.sqrt(max((counts * (means - mean) ** 2).sum() / total, 0.0)))


def merge(profiles: Sequence[ColumnProfile]) -> ColumnProfile:
    """Add profiles of one column; DataError if they have no common kind or centre.

    Sums may differ in the last digits by the order; with more than MOST_CATEGORIES values the rarest become `other`.
    """
    import numpy as np

    full = [profile for profile in profiles if profile.rows] or list(profiles[:1])
    first = full[0]
    if len(full) == 1:
        return first
    for other in full[1:]:
        if (other.kind, other.centre) != (first.kind, first.centre):
            raise DataError(
                f"a {other.kind} around {other.centre!r} does not add to a {first.kind} around {first.centre!r}",
                hint="profile every part with the kinds and centres of one baseline",
            )
    bins, places = np.unique(np.concatenate([profile.bins for profile in full]), return_inverse=True)
    counts, sums = np.zeros(len(bins), dtype="int64"), np.zeros(len(bins))
    np.add.at(counts, places, np.concatenate([profile.counts for profile in full]))
    np.add.at(sums, places, np.concatenate([profile.sums for profile in full]))
    categories, other_values = capped(_added([profile.categories for profile in full]))
    return ColumnProfile(
        kind=first.kind,
        rows=sum(profile.rows for profile in full),
        missing=sum(profile.missing for profile in full),
        infinite=sum(profile.infinite for profile in full),
        wrong=sum(profile.wrong for profile in full),
        centre=first.centre,
        bins=bins,
        counts=counts,
        sums=sums,
        squares=float(sum(profile.squares for profile in full)),
        minimum=float(np.fmin.reduce([profile.minimum for profile in full])),
        maximum=float(np.fmax.reduce([profile.maximum for profile in full])),
        categories=categories,
        other=other_values + sum(profile.other for profile in full),
    )


def capped(counts: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """Keep the most frequent values, by name where equally frequent; gives them in that order and the others' count."""
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return dict(order[:MOST_CATEGORIES]), sum(count for _, count in order[MOST_CATEGORIES:])


def _added(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for value, count in part.items():
            total[value] = total.get(value, 0) + count
    return total


def _none(kind: str) -> Array:
    import numpy as np

    return np.zeros(0, dtype=kind)
