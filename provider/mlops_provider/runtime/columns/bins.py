"""The bins of two profiles side by side: edges, values, and how many values lie below a point."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.columns.profile import BIN_BITS

if TYPE_CHECKING:
    import numpy as np

    from mlops_provider.runtime.columns.profile import ColumnProfile

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Bins:
    """Bins of one or two profiles, ascending; all places are distances from the centre.

    `low` and `high` are edges, `value` is what rounds to itself; `counts` and `sums` are n x sides.
    """

    low: Array
    value: Array
    high: Array
    counts: Array
    sums: Array

    @cached_property
    def totals(self) -> Array:
        """Number of values of each side."""
        found: Array = self.counts.sum(axis=0)
        return found

    def within(self, low: float, high: float) -> Bins:
        """Give the bins whose values lie between two places."""
        kept = (self.value >= low) & (self.value <= high)
        return Bins(self.low[kept], self.value[kept], self.high[kept], self.counts[kept], self.sums[kept])

    def side(self, number: int) -> Bins:
        """Give the bins that one side has values in."""
        kept = self.counts[:, number] > 0
        counts, sums = self.counts[kept][:, [number]], self.sums[kept][:, [number]]
        return Bins(self.low[kept], self.value[kept], self.high[kept], counts, sums)

    def points(self) -> Array:
        """Say of which bins all values are one, as far as count and sum tell.

        It is the only one, or the mean is what rounds to itself, or both sides have the same mean. Where that holds of
        most that both sides have, values are few and it is taken to hold of every bin.
        """
        import numpy as np

        total = self.counts.sum(axis=1)
        mean = self.sums.sum(axis=1) / np.maximum(total, 1)
        point: Array = (total == 1) | (np.abs(mean - self.value) <= np.abs(self.value) * 1e-12)
        shared = (self.counts > 0).all(axis=1) & (self.counts.shape[1] > 1)
        means = self.sums / np.maximum(self.counts, 1)
        point |= shared & (np.abs(means[:, 0] - means[:, -1]) <= np.abs(self.value) * 1e-9)
        if 2 * int(total[shared & point].sum()) > int(total[shared].sum()):
            return np.ones(len(point), dtype=bool)
        return point

    def below(self, places: Array) -> Array:
        """Count each side's values below some places (places x sides), evenly spread within a bin.

        A bin whose values are all one lies on one side of a place.
        """
        import numpy as np

        point = self.points()
        total = self.counts.sum(axis=1)
        mean = self.sums.sum(axis=1) / np.maximum(total, 1)
        before = np.concatenate([np.zeros((1, self.counts.shape[1])), np.cumsum(self.counts, axis=0)])
        width = self.high - self.low
        found = np.empty((len(places), self.counts.shape[1]))
        for row, place in enumerate(places):
            first = int(np.searchsorted(self.high, place, side="left"))  # every bin before ends below the place
            found[row] = before[first]
            for at in range(first, min(first + 2, len(self.low))):  # an edge may be the place
                if point[at]:
                    share = float(mean[at] < place - 1e-9 * width[at])
                elif place <= self.low[at]:
                    share = 0.0
                else:
                    share = float((min(place, self.high[at]) - self.low[at]) / width[at])
                found[row] += share * self.counts[at]
        return found


def bins_of(*profiles: ColumnProfile) -> Bins:
    """Put the bins of profiles around one centre side by side; DataError if they have several."""
    import numpy as np

    filled = [profile for profile in profiles if len(profile.bins)]
    if len({profile.centre for profile in filled}) > 1:
        raise DataError(
            f"profiles around {filled[0].centre!r} and {filled[1].centre!r} cannot be compared",
            hint="profile the window with the centres of the baseline",
        )
    keys = np.concatenate([profile.bins for profile in profiles])
    if len(filled) > 1:
        keys.sort(kind="stable")  # quick on two runs that are in order
        keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
    shape = (len(keys), len(profiles))
    counts, sums = np.zeros(shape, dtype="int64", order="F"), np.zeros(shape, order="F")
    for side, profile in enumerate(profiles):
        places = np.searchsorted(keys, profile.bins)
        counts[places, side], sums[places, side] = profile.counts, profile.sums
    value = _doubles(keys)
    return Bins((_doubles(keys - 1) + value) / 2, value, (value + _doubles(keys + 1)) / 2, counts, sums)


def _doubles(keys: Array) -> Array:
    import numpy as np

    wide = keys.astype("int64")
    values: Array = np.copysign((np.abs(wide) << BIN_BITS).view("float64"), wide)
    return values
