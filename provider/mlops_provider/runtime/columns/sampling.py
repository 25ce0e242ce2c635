"""Draw windows from a profile: what a score looks like when nothing has changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from mlops_provider.runtime.columns.profile import ColumnProfile

    Array = np.ndarray[Any, Any]


def resample(profile: ColumnProfile, rows: int, generator: np.random.Generator) -> ColumnProfile:
    """Draw a window of some rows from what a profile describes (a bootstrap: with replacement).

    Every value of a bin is drawn as the bin's mean; words of a text are drawn one by one.
    """
    import numpy as np

    lost = np.array([profile.missing, profile.infinite, profile.wrong])
    named = np.array([*profile.categories.values(), profile.other], dtype="int64")
    if profile.kind == "text":
        drawn = _draw(generator, rows, np.concatenate([lost, profile.counts]))
        total = int(named.sum() * (drawn[3:].sum() / max(int(profile.counts.sum()), 1)))
        words = _draw(generator, total, named)
        return _drawn(profile, rows, drawn[:3], drawn[3:], words)
    if profile.numeric:
        drawn = _draw(generator, rows, np.concatenate([lost, profile.counts]))
        return _drawn(profile, rows, drawn[:3], drawn[3:], named)
    drawn = _draw(generator, rows, np.concatenate([lost, named]))
    return _drawn(profile, rows, drawn[:3], profile.counts, drawn[3:])


def _draw(generator: np.random.Generator, rows: int, counts: Array) -> Array:
    total = int(counts.sum())
    return generator.multinomial(rows if total else 0, counts / max(total, 1))


def _drawn(profile: ColumnProfile, rows: int, lost: Array, counts: Array, named: Array) -> ColumnProfile:
    import numpy as np

    kept = counts > 0
    means = (profile.sums / np.maximum(profile.counts, 1))[kept]
    sums = means * counts[kept]
    found = [(value, int(count)) for value, count in zip(profile.categories, named[:-1].tolist(), strict=True) if count]
    with np.errstate(over="ignore"):
        squares = float((sums * means).sum())
    edges = (profile.centre + means[0], profile.centre + means[-1]) if kept.any() else (float("nan"), float("nan"))
    return replace(
        profile,
        rows=rows,
        missing=int(lost[0]),
        infinite=int(lost[1]),
        wrong=int(lost[2]),
        bins=profile.bins[kept],
        counts=counts[kept],
        sums=sums,
        squares=squares,
        minimum=float(max(edges[0], profile.minimum)) if kept.any() else float("nan"),
        maximum=float(min(edges[1], profile.maximum)) if kept.any() else float("nan"),
        categories=dict(sorted(found, key=lambda item: (-item[1], item[0]))),
        other=int(named[-1]),
    )
