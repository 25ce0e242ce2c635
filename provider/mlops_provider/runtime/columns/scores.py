"""How far a window is from its baseline, column by column: 0 is no difference, more is more.

Wasserstein, Jensen-Shannon, PSI and Hellinger are Evidently's, with its bins. Kolmogorov-Smirnov is the statistic and
chi-square Cohen's w, for a p-value says how much data there was and not how far it moved; `p_value` gives that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, get_args

from mlops_provider.exceptions import ConfigError, DataError
from mlops_provider.runtime.columns.bins import Bins, bins_of
from mlops_provider.runtime.columns.profile import spread

if TYPE_CHECKING:
    import numpy as np

    from mlops_provider.runtime.columns.profile import ColumnProfile, Kind

    Array = np.ndarray[Any, Any]

Method = Literal["wasserstein", "jensenshannon", "psi", "ks", "chisquare", "hellinger", "length", "vocabulary"]
METHODS: tuple[Method, ...] = get_args(Method)
METHODS_OF: dict[str, tuple[Method, ...]] = {
    "number": ("wasserstein", "jensenshannon", "psi", "ks", "hellinger"),
    "time": ("wasserstein", "jensenshannon", "psi", "ks", "hellinger"),
    "category": ("jensenshannon", "psi", "chisquare", "hellinger"),
    "boolean": ("jensenshannon", "psi", "chisquare", "hellinger"),
    "text": ("vocabulary", "length", "jensenshannon", "psi", "hellinger"),
}
"""The methods of each kind of column; the first is the default."""
FENCE = 1000
"""A number farther from the median than so many times the span of the middle 98 % of the baseline is set aside."""
SET_ASIDE = 0.01
"""Largest share of a side's numbers that is set aside; more belong to how it is distributed."""
_ABSURD = 1e6
_FEW_VALUES = 20
_SMALLEST_SHARE = 0.0001


def default_method(kind: Kind) -> Method:
    """Give the method that a kind of column is scored with, where none is named."""
    return METHODS_OF[kind][0]


def score(baseline: ColumnProfile, window: ColumnProfile, method: Method | None = None) -> float:
    """Give the distance of a window from its baseline; ConfigError for a method that the kind has not.

    DataError names what cannot be compared: a side without values, or another kind or centre.
    """
    wanted = method or default_method(baseline.kind)
    if wanted not in METHODS_OF[baseline.kind]:
        allowed = ", ".join(METHODS_OF[baseline.kind])
        raise ConfigError(f"a {baseline.kind} has no score '{wanted}'", hint=f"it has: {allowed}")
    if window.kind != baseline.kind:
        raise DataError(f"a {window.kind} cannot be compared with a {baseline.kind}")
    for side, profile in (("baseline", baseline), ("window", window)):
        if not profile.values:
            raise DataError(f"the {side} has no value")
    if wanted in {"wasserstein", "length"}:
        return _wasserstein(baseline, window)
    if wanted == "ks":
        return _ks(baseline, window)
    if wanted == "vocabulary":
        return unseen_share(baseline, window) if _words(window) or not _words(baseline) else 1.0  # no word is left
    if wanted == "chisquare":
        return _cohens_w(*_category_counts(baseline, window))
    if baseline.numeric:
        before, after = _binned(baseline, window, unique=wanted == "hellinger")
    else:
        before, after = _category_counts(baseline, window)
    before, after = before / max(before.sum(), 1), after / max(after.sum(), 1)
    return {"jensenshannon": _jensenshannon, "psi": _psi, "hellinger": _hellinger}[wanted](before, after)


def shown(score: float, places: int = 2) -> str:
    """Write a score for people: one that is absurdly large in three digits, not in three hundred."""
    return f"{score:.{places}f}" if score < _ABSURD else f"{score:.3g}"


def p_value(baseline: ColumnProfile, window: ColumnProfile) -> float:
    """Give the probability of a difference as large by chance: Kolmogorov-Smirnov (asymptotic) or chi-square."""
    import numpy as np
    from scipy.stats import chi2, kstwo

    if baseline.numeric:
        n, m = int(baseline.counts.sum()), int(window.counts.sum())
        return float(kstwo.sf(_ks(baseline, window), np.round(n * m / (n + m))))
    before, after = _category_counts(baseline, window)
    expected = before * (after.sum() / before.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.nansum((after - expected) ** 2 / expected)
    return float(chi2.sf(statistic, len(before) - 1))


def unseen_share(baseline: ColumnProfile, window: ColumnProfile) -> float:
    """Give the share of the window's values (of texts: words) that the baseline does not name; 0 of none.

    What the baseline has and does not name itself is expected again, and taken off.
    """
    total = _words(window)
    if not total:
        return 0.0
    named = sum(count for value, count in window.categories.items() if value in baseline.categories)
    return max((total - named) / total - baseline.other / max(_words(baseline), 1), 0.0)


def unseen_categories(baseline: ColumnProfile, window: ColumnProfile) -> dict[str, int]:
    """Count the window's values that the baseline has not, the most frequent first.

    None where the baseline has more values than it names: they may be among the others.
    """
    if baseline.other:
        return {}
    return {value: count for value, count in window.categories.items() if value not in baseline.categories}


def quantiles(profile: ColumnProfile, shares: tuple[float, ...]) -> list[float]:
    """Give quantiles of the numbers, within a bin's width (1/512 of the distance from the centre); NaN of none."""
    import numpy as np

    bins = bins_of(profile)
    if not len(bins.value):
        return [math.nan] * len(shares)
    reached = np.cumsum(bins.counts[:, 0])
    places = np.searchsorted(reached, np.asarray(shares) * reached[-1], side="left")
    means = bins.sums[:, 0] / bins.counts[:, 0]
    return [
        float(np.clip(profile.centre + means[min(place, len(means) - 1)], profile.minimum, profile.maximum))
        for place in places
    ]


def set_aside(baseline: ColumnProfile, window: ColumnProfile) -> tuple[int, int]:
    """Count the numbers of both sides that are so far out that they are left out of the Wasserstein distance."""
    if _all_inside(baseline, window):
        return 0, 0
    both = bins_of(baseline, window)
    before, after = (both.totals - _inside(baseline, window, both).totals).tolist()
    return int(before), int(after)


def _wasserstein(baseline: ColumnProfile, window: ColumnProfile) -> float:
    """Integrate the distance of the distribution functions, over the baseline's deviation.

    Exact in every bin in which the functions do not cross, because a bin's sum gives their integral over it.
    """
    import numpy as np

    both = bins_of(baseline, window)
    inside = _inside(baseline, window, both)
    deviation = baseline.deviation if inside.totals[0] == both.totals[0] else _spread(inside, 0)
    shares = inside.counts / inside.totals
    reached = np.cumsum(shares, axis=0)
    before = reached - shares
    width = inside.high - inside.low
    rising = (inside.counts * inside.high[:, None] - inside.sums) / inside.totals
    areas = before * width[:, None] + rising
    start, end = before[:, 0] - before[:, 1], reached[:, 0] - reached[:, 1]
    area = areas[:, 0] - areas[:, 1]
    crossing = start * end < 0
    within = np.abs(area)
    with np.errstate(divide="ignore", invalid="ignore"):  # where they cross: as two straight lines would
        lines = width * (start**2 + end**2) / (2 * (np.abs(start) + np.abs(end)))
    if crossing.any():
        place = inside.sums.sum(axis=1) / inside.counts.sum(axis=1)
        step = np.abs(start) * (place - inside.low) + np.abs(end) * (inside.high - place)  # where all values are one
        within = np.where(crossing, np.where(inside.points(), step, np.maximum(within, lines)), within)
    between = (inside.low[1:] - inside.high[:-1]) * np.abs(end[:-1])
    distance = float(within.sum() + between.sum())
    if deviation > 0:
        return distance / deviation
    moved = distance > 0 and not _same_point(inside)
    return float(np.finfo("float64").max) if moved and not np.isfinite(distance) else _constant(inside, distance, moved)


def _constant(inside: Bins, distance: float, moved: bool) -> float:  # noqa: FBT001 (read where it is made)
    """Score a baseline that is always the same: by how much the window moved in its own spread and in the value."""
    return 0.0 if not moved else distance / max(_spread(inside, 1), distance)


def _same_point(inside: Bins) -> bool:
    return len(inside.value) == 1 and bool(inside.points().all())


def _spread(bins: Bins, side: int) -> float:
    one = bins.side(side)
    return spread(one.counts[:, 0], one.sums[:, 0])


def _inside(baseline: ColumnProfile, window: ColumnProfile, both: Bins) -> Bins:
    """Leave out what is absurdly far from the baseline, where it is rare: one 1e18 neither hides drift nor is it."""
    import numpy as np

    if _all_inside(baseline, window):
        return both
    inside = both.within(*_fence(baseline))
    outside = both.totals - inside.totals
    allowed = np.maximum(both.totals * SET_ASIDE, np.minimum(both.totals - 1, 1))
    return inside if (outside <= allowed).all() else both


def _all_inside(baseline: ColumnProfile, window: ColumnProfile) -> bool:
    low, high = _fence(baseline)
    lowest, highest = min(baseline.minimum, window.minimum), max(baseline.maximum, window.maximum)
    return low <= lowest - baseline.centre and highest - baseline.centre <= high


def _fence(baseline: ColumnProfile) -> tuple[float, float]:
    """Give the places, from the centre, beyond which a number is absurd; everywhere is fine around a single value."""
    import numpy as np

    bins = bins_of(baseline)
    reached = np.cumsum(bins.counts[:, 0])
    places = np.searchsorted(reached, np.array([0.01, 0.5, 0.99]) * reached[-1], side="left")
    low, middle, high = bins.value[places].tolist()
    reach = FENCE * (high - low)
    return (middle - reach, middle + reach) if reach > 0 else (-math.inf, math.inf)


def _ks(baseline: ColumnProfile, window: ColumnProfile) -> float:
    import numpy as np

    both = bins_of(baseline, window)
    reached = np.cumsum(both.counts, axis=0) / both.totals
    return float(np.abs(reached[:, 0] - reached[:, 1]).max())


def _binned(baseline: ColumnProfile, window: ColumnProfile, *, unique: bool) -> tuple[Array, Array]:
    """Count both sides in equal bins, as many as Sturges' rule says; few different values are counted by value."""
    import numpy as np

    both = bins_of(baseline, window)
    if not unique and np.count_nonzero(both.counts[:, 0]) <= _FEW_VALUES:
        return both.counts[:, 0].astype(float), both.counts[:, 1].astype(float)
    low, high = min(baseline.minimum, window.minimum), max(baseline.maximum, window.maximum)
    values = np.where(both.points(), 1, both.counts.sum(axis=1)) if unique else both.counts
    number = math.ceil(math.log2(max(int(values.sum()), 1)) + 1) if high > low else 1
    edges = np.linspace(low, high, number + 1) if high > low else np.array([low - 0.5, low + 0.5])
    below = both.below(edges - baseline.centre)
    below[0], below[-1] = 0, both.totals
    counts = np.diff(below, axis=0)
    return counts[:, 0], counts[:, 1]


def _category_counts(baseline: ColumnProfile, window: ColumnProfile) -> tuple[Array, Array]:
    """Count both sides by value; those beyond the named ones are one value, and so is that texts have no word."""
    import numpy as np

    sides = (baseline, window)
    named = dict.fromkeys([*baseline.categories, *window.categories])
    counts = np.array([[side.categories.get(value, 0) for value in named] for side in sides], dtype=float)
    rest = [[side.other, not _words(side)] for side in sides]
    before, after = np.column_stack([counts, np.array(rest, dtype=float)[:, np.any(rest, axis=0)]])
    return before, after


def _words(profile: ColumnProfile) -> int:
    return sum(profile.categories.values()) + profile.other


def _jensenshannon(before: Array, after: Array) -> float:
    """Give the distance of two distributions: SciPy's jensenshannon, which takes long to import."""
    import numpy as np

    middle = (before + after) / 2
    total = 0.0
    for side in (before, after):
        some = side > 0
        total += float((side[some] * np.log1p((side[some] - middle[some]) / middle[some])).sum())
    return math.sqrt(max(total, 0.0) / 2)  # of equal shares rounding may give less than nothing


def _psi(before: Array, after: Array) -> float:
    import numpy as np

    before, after = _without_zeros(before), _without_zeros(after)
    return float(((before - after) * np.log(before / after)).sum())


def _without_zeros(shares: Array) -> Array:
    """Put a small share for none, as Evidently does."""
    import numpy as np

    least = float(shares[shares > 0].min(initial=1.0))
    return np.where(shares > 0, shares, least / 10**6 if least <= _SMALLEST_SHARE else _SMALLEST_SHARE)


def _hellinger(before: Array, after: Array) -> float:
    import numpy as np

    return math.sqrt(1 - min(max(float(np.sqrt(before * after).sum()), 0.0), 1.0))


def _cohens_w(before: Array, after: Array) -> float:
    """Give the root of chi-square over the window's rows (Cohen, Statistical Power Analysis, 1988).

    A value that the baseline has not is expected in half a row of it.
    """
    import numpy as np

    total = before.sum()
    expected, found = np.maximum(before, 0.5) / total, after / after.sum()
    return float(np.sqrt(((found - before / total) ** 2 / expected).sum()))
