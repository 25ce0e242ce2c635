"""Metrics of many confusion matrices at once, for resampling: b x truths x predictions give b values.

The definitions are scikit-learn's; tests hold them to be equal. The last classes may be ones that the model does not
know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


def accuracy(counts: Array) -> Array:
    """Share of rows on the diagonal."""
    return _ratio(_hits(counts).sum(-1), counts.sum((1, 2)))


def balanced_accuracy(counts: Array) -> Array:
    """Mean recall over the classes that occur."""
    rows = counts.sum(2)
    return _mean(_ratio(_hits(counts), rows), rows > 0)


def matthews(counts: Array) -> Array:
    """Correlation of truth and prediction, of any number of classes (Gorodkin 2004); 0 where one is constant."""
    import numpy as np

    rows, columns, total = counts.sum(2), counts.sum(1), counts.sum((1, 2))
    both = _hits(counts).sum(-1) * total - (rows * columns).sum(-1)
    spread = (total**2 - (rows**2).sum(-1)) * (total**2 - (columns**2).sum(-1))
    return _ratio(both, np.sqrt(spread))


def precision(counts: Array) -> Array:
    """Precision of each class (b x classes); 0 where it was never predicted."""
    return _ratio(_hits(counts), counts.sum(1))


def recall(counts: Array) -> Array:
    """Recall of each class (b x classes); 0 where it does not occur."""
    return _ratio(_hits(counts), counts.sum(2))


def f1(counts: Array) -> Array:
    """Harmonic mean of precision and recall of each class (b x classes)."""
    return _ratio(2 * _hits(counts), counts.sum(1) + counts.sum(2))


def macro(values: Array, counts: Array) -> Array:
    """Mean of a metric over the classes that occur or were predicted."""
    return _mean(values, counts.sum(1) + counts.sum(2) > 0)


def weighted(values: Array, counts: Array) -> Array:
    """Mean of a metric over classes, by how often each occurs."""
    rows = counts.sum(2)
    return _ratio((values * rows).sum(-1), rows.sum(-1))


def _hits(counts: Array) -> Array:
    import numpy as np

    return np.diagonal(counts, axis1=1, axis2=2)


def _mean(values: Array, present: Array) -> Array:
    return _ratio((values * present).sum(-1), present.sum(-1))


def _ratio(above: Array, below: Array) -> Array:
    import numpy as np

    return np.divide(above, below, out=np.zeros(np.shape(above)), where=below > 0)
