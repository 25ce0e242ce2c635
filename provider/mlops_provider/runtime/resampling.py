"""Bootstrap: the same rows drawn again and again, measured for one model or for several on equal draws.

Three ways, the cheapest that a metric allows, so that the cost hardly grows with the rows:

- metrics of a confusion matrix: the cells of (truth, each model's prediction) are drawn from the multinomial
  distribution with their shares, which is drawing all rows (Efron 1979), at a cost that does not depend on how many;
- metrics that are the mean of what each row contributes (of a ranking, each query): contributions are drawn;
- any other: rows are drawn and measured.

Of more rows than a draw takes, draws are smaller than the data, and whoever makes an interval of them shrinks it by
the root of the ratio (m out of n; Bickel, Götze and van Zwet, Statistica Sinica 7, 1997). Rows of a forecast are
drawn in blocks of successive ones (moving blocks; Künsch, Annals of Statistics 17, 1989), as long as a season or the
cube root of the number of rows, whichever is longer. The same seed gives the same draws.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.answers import counted
from mlops_provider.runtime.metrics import find

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np

    from mlops_provider.runtime.answers import Answers
    from mlops_provider.runtime.metrics import Metric

    Array = np.ndarray[Any, Any]

CHEAP_DRAWS, DRAWS = 1000, 300
MOST_DRAWN, MOST_MEASURED = 10_000, 5_000
_MOST_CELLS, _MOST_CODES = 2_000, 60
_ENTRIES_AT_ONCE = 2_000_000
_LEAST_BLOCKS = 5


@dataclass(frozen=True, slots=True)
class Draws:
    """Values of one metric on the draws (models x draws, NaN where it is not defined), and the size of a draw.

    `shrink` is the root of the draw's size over the data's.
    """

    values: Array
    shrink: float = 1.0


def resample(models: Sequence[Answers], names: Iterable[str], *, seed: int = 0) -> dict[str, Draws]:
    """Measure metrics on resamples of the rows, which all models answer; metrics without an interval are left out."""
    kind = models[0].signature.kind
    wanted = [metric for metric in (find(kind, name) for name in names) if metric.interval]
    found: dict[str, Draws] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found |= _by_counts(models, [metric for metric in wanted if metric.counts], seed)
        for metric in wanted:
            if metric.name not in found:
                found[metric.name] = _by_means(models, metric, seed) or _by_rows(models, metric, seed)
    return {metric.name: found[metric.name] for metric in wanted}


def measure_quickly(answers: Answers, names: Iterable[str]) -> dict[str, float]:
    """Measure metrics once, in the cheapest way that each allows; those that the rows do not define are left out.

    The values are those of `Answers.measure`, but for rounding, at a tenth of its cost where there are few rows.
    """
    found = {}
    for metric in (find(answers.signature.kind, name) for name in names):
        value = _of_counts(metric, answers) if metric.counts else _of_means(metric, answers)
        if value is None:
            value = _value(metric, answers)
        if math.isfinite(value):
            found[metric.name] = value
    return found


def _of_counts(metric: Metric, answers: Answers) -> float | None:
    import numpy as np

    truth, predicted = answers.codes
    size = max(int(answers.codes.max()) + 1, len(answers.signature.classes))
    if metric.counts is None or size > _MOST_CODES:
        return None
    cells = np.bincount(truth * size + predicted, minlength=size * size)
    return float(metric.counts(cells.reshape(1, size, size).astype(float))[0])


def _of_means(metric: Metric, answers: Answers) -> float | None:
    """Give the mean of what rows contribute; None where the metric is not a mean, or not defined for some row."""
    if metric.each is None:
        return None
    try:
        mean = float(metric.each(answers).mean())
    except ValueError:
        return None
    return math.sqrt(mean) if metric.root else mean


def _by_counts(models: Sequence[Answers], wanted: Sequence[Metric], seed: int) -> dict[str, Draws]:
    """Draw cells of confusion; nothing where there are too many of them."""
    import numpy as np

    if not wanted:
        return {}
    sides = [side for answers in models for side in answers.codes]
    sizes = [int(answers.codes.max()) + 1 for answers in models]
    if max(sizes) > _MOST_CODES:
        return {}
    base = max(sizes)
    joined = np.zeros(len(models[0]), dtype=np.int64)
    for side in sides:
        joined = joined * base + side
    cells, counts = counted(joined, base ** len(sides))
    if len(cells) > _MOST_CELLS:
        return {}
    codes = [cells // base**place % base for place in reversed(range(len(sides)))]
    random = np.random.default_rng(seed)
    values = {metric.name: np.empty((len(models), CHEAP_DRAWS)) for metric in wanted}
    step = max(1, min(CHEAP_DRAWS, _ENTRIES_AT_ONCE // max(base**2, len(cells))))
    for start in range(0, CHEAP_DRAWS, step):
        end = min(start + step, CHEAP_DRAWS)
        drawn = random.multinomial(int(counts.sum()), counts / counts.sum(), size=end - start)
        for i in range(len(models)):
            flat = np.zeros((base * base, end - start))
            np.add.at(flat, codes[2 * i] * base + codes[2 * i + 1], drawn.T)
            matrices = flat.T.reshape(-1, base, base)
            for metric in wanted:
                if metric.counts:
                    values[metric.name][i, start:end] = metric.counts(matrices)
    return {name: Draws(each) for name, each in values.items()}


def _by_means(models: Sequence[Answers], metric: Metric, seed: int) -> Draws | None:
    """Draw contributions; None where the metric is not a mean, or not defined for some row."""
    import numpy as np

    if metric.each is None:
        return None
    try:
        each = np.stack([metric.each(answers) for answers in models])
    except ValueError:
        return None
    units = each.shape[1]
    if not units:
        return None
    size = min(units, MOST_DRAWN)
    values = np.empty((len(models), CHEAP_DRAWS))
    for i, drawn in enumerate(_positions(models[0], units, size, CHEAP_DRAWS, seed)):
        values[:, i] = each[:, drawn].mean(axis=1)
    return Draws(np.sqrt(values) if metric.root else values, float(np.sqrt(size / units)))


def _by_rows(models: Sequence[Answers], metric: Metric, seed: int) -> Draws:
    import numpy as np
    import sklearn

    rows = len(models[0])
    size = min(rows, MOST_MEASURED)
    values = np.empty((len(models), DRAWS))
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        for i, drawn in enumerate(_positions(models[0], rows, size, DRAWS, seed)):
            for j, answers in enumerate(models):
                values[j, i] = _value(metric, answers.take(drawn))
    return Draws(values, float(np.sqrt(size / rows)))


def _value(metric: Metric, answers: Answers) -> float:
    try:
        return (metric.quick or metric.function)(answers)
    except ValueError:
        return float("nan")


def _positions(answers: Answers, units: int, size: int, draws: int, seed: int) -> Iterator[Array]:
    """Give the positions of each draw of some size: of rows in time in blocks, of any other unit one by one."""
    import numpy as np

    random = np.random.default_rng(seed)
    for _ in range(draws):
        yield _drawn(random, units, size, answers.time, answers.signature.season)


def row_draws(
    rows: int,
    draws: int,
    *,
    query: Array | None = None,
    time: Array | None = None,
    season: int = 1,
    seed: int = 0,
) -> Iterator[Array]:
    """Give the positions of each draw of all rows: one by one, whole queries, or blocks of successive ones."""
    import numpy as np

    random = np.random.default_rng(seed)
    if query is not None:
        order = np.argsort(query, kind="stable")
        members = np.split(order, np.flatnonzero(np.diff(query[order])) + 1)
        for _ in range(draws):
            yield np.concatenate([members[i] for i in random.integers(0, len(members), len(members))])
        return
    for _ in range(draws):
        yield _drawn(random, rows, rows, time, season)


def _drawn(random: np.random.Generator, units: int, size: int, time: Array | None, season: int) -> Array:
    import numpy as np

    if time is None:
        return random.integers(0, units, size)
    block = block_length(units, season)
    starts = random.integers(0, units - block + 1, -(-size // block))
    in_time: Array = (starts[:, None] + np.arange(block)).ravel()[:size]
    found: Array = np.argsort(time, kind="stable")[in_time]
    return found


def block_length(rows: int, season: int) -> int:
    """Give how many successive rows of a forecast are drawn together; a fifth of them at most."""
    return max(1, min(max(season, math.ceil(math.cbrt(rows))), rows // _LEAST_BLOCKS))
