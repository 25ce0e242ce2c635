"""Metrics of rankings: of each query, then the mean over queries.

Queries of one row, and those without a relevant row, say nothing about an order: they are left out. The truth is a
grade, 0 or more; a row is relevant when its grade is above 0.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.metrics.metric import Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from mlops_provider.runtime.answers import Answers

    Array = np.ndarray[Any, Any]


def telling(answers: Answers) -> Array:
    """Say of each row whether its query has two rows or more, of which one is relevant."""
    import numpy as np

    if answers.query is None:
        raise ValueError("the rows have no queries")
    rows = np.bincount(answers.query)
    relevant = np.bincount(answers.query, weights=answers.truth > 0)
    found: Array = ((rows > 1) & (relevant > 0))[answers.query]
    return found


def queries(answers: Answers) -> Iterator[tuple[Array, Array]]:
    """Give grades and scores of each query that says something, in the order of their numbers."""
    import numpy as np

    said = answers.take(telling(answers))
    if said.query is None or not len(said):
        return
    order = np.argsort(said.query, kind="stable")
    ends = np.flatnonzero(np.diff(said.query[order])) + 1
    grades, scores = (np.split(values[order], ends) for values in (said.truth, said.predicted))
    yield from zip(grades, scores, strict=True)


def _per_query(answers: Answers, *, function: Callable[[Array, Array], float]) -> Array:
    import numpy as np
    import sklearn

    if (answers.truth < 0).any():
        raise ValueError("a grade is negative")
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        return np.array([function(grades, scores) for grades, scores in queries(answers)])


def _mean(answers: Answers, *, function: Callable[[Array, Array], float]) -> float:
    values = _per_query(answers, function=function)
    if not len(values):
        raise ValueError("no query has two rows of which one is relevant")
    return float(values.mean())


def _ndcg(grades: Array, scores: Array, *, k: int | None = None) -> float:
    from sklearn.metrics import ndcg_score

    return float(ndcg_score([grades], [scores], k=k))


def _precision(grades: Array, scores: Array) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(grades > 0, scores))


def _reciprocal(grades: Array, scores: Array) -> float:
    """One over the place of the first relevant row; among equal scores, the worst place that it may have."""
    best = scores[grades > 0].max()
    return 1 / float((scores > best).sum() + ((scores == best) & (grades <= 0)).sum() + 1)


def _metric(name: str, description: str, function: Callable[[Array, Array], float], *, usual: bool = True) -> Metric:
    return Metric(
        name=name,
        description=description,
        function=partial(_mean, function=function),
        each=partial(_per_query, function=function),
        usual=usual,
    )


METRICS = (
    _metric("ndcg", "Gain of the order, discounted by place, over that of the best order.", _ndcg),
    _metric("ndcg_at_5", "As ndcg, of the first five rows.", partial(_ndcg, k=5)),
    _metric("ndcg_at_10", "As ndcg, of the first ten rows.", partial(_ndcg, k=10), usual=False),
    _metric("mrr", "One over the place of the first relevant row.", _reciprocal),
    _metric("map", "Average precision of each query: precision at the place of each relevant row.", _precision),
)
