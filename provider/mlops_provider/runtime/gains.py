"""The gain over the champion on the same rows: how much better, how sure, and whether it may be chance.

The interval is a paired bootstrap: both models are measured on equal draws. The p-value answers the same question
from the other side, two-sided, by one rule:

- where a metric is the mean of what each row contributes (of a ranking, each query), the models' labels are exchanged
  at random, row by row (the paired randomisation test of Fisher and Pitman). Where contributions are 0 and 1, as in
  accuracy, that is McNemar's test (1947), done exactly by the binomial distribution of the rows on which just one model
  is right. Otherwise 9,999 exchanges are drawn; of more than 500 rows, groups of rows are exchanged together, which
  leaves the test exact (Hemerik and Goeman 2018), groups of successive rows in a forecast;
- of any other metric it is twice the share of draws on the other side of zero (Efron and Tibshirani 1993, ch. 15).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.intervals import percentiles
from mlops_provider.runtime.metrics import find, goodness

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from mlops_provider.runtime.answers import Answers
    from mlops_provider.runtime.resampling import Draws

    Array = np.ndarray[Any, Any]

EXCHANGES, MOST_GROUPS = 9_999, 500
_SAME = 1e-12
_ZERO_ONE = (-1.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Gain:
    """How much better than the champion, above 0 is better, with its 95 % interval and p-value, in the metric's unit.

    `test` names the test. Without an interval, or without a test, the fields are None.
    """

    value: float
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    test: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form: what is not known is left out."""
        return {name: value for name, value in asdict(self).items() if value not in {None, ""}}


def gains(
    answers: Answers,
    champion: Answers,
    found: Mapping[str, float],
    of_champion: Mapping[str, float],
    draws: Mapping[str, Draws],
    *,
    seed: int = 0,
) -> dict[str, Gain]:
    """Give the gain of each metric that both models have; `found` and `of_champion` are their values.

    `draws` are those of `resample([answers, champion], ...)`.
    """
    result = {}
    for name in (name for name in found if name in of_champion):
        value = gain(name, found[name], of_champion[name])
        if name not in draws:
            result[name] = Gain(value)
            continue
        ours, theirs = (goodness(name, values) for values in draws[name].values)
        tested = _exchange(name, answers, champion, seed)
        result[name] = of_draws(value, ours - theirs, draws[name].shrink, tested)
    return result


def gain(name: str, value: float, of_champion: float) -> float:
    """Give how much better a value of a metric is than the champion's."""
    return float(goodness(name, value) - goodness(name, of_champion))


def of_draws(value: float, differences: Array, shrink: float, tested: tuple[float, str] | None = None) -> Gain:
    """Make a gain of its value and of its values on draws; without another test the p-value is that of the draws."""
    import numpy as np

    between = percentiles(differences, value, shrink)
    if between is None:
        return Gain(value)
    if tested is None:
        defined = differences[np.isfinite(differences)]
        centred = value + (defined - value) * shrink
        share = min((centred <= _SAME).mean(), (centred >= -_SAME).mean())
        tested = min(1.0, 2 * float(share * len(defined) + 1) / (len(defined) + 1)), "paired bootstrap"
    return Gain(value, *between, *tested)


def _exchange(name: str, answers: Answers, champion: Answers, seed: int) -> tuple[float, str] | None:
    """Give the p-value of the randomisation test; None where the metric is not a mean over rows."""
    import numpy as np

    each = find(answers.signature.kind, name).each
    if each is None:
        return None
    try:
        differences = each(answers) - each(champion)
    except ValueError:
        return None
    if not len(differences):
        return None
    if np.isin(differences, _ZERO_ONE).all():
        return mcnemar(int((differences > 0).sum()), int((differences < 0).sum())), "McNemar's exact test"
    order = (
        np.argsort(answers.time)
        if answers.time is not None
        else np.random.default_rng(seed).permutation(len(differences))
    )
    return exchange(differences[order], seed), "paired randomisation test"


def mcnemar(only_first: int, only_second: int) -> float:
    """Give the exact two-sided p-value from the rows on which only one of two models is right."""
    from scipy.stats import binomtest

    total = only_first + only_second
    return float(binomtest(only_first, total).pvalue) if total else 1.0


def exchange(differences: Array, seed: int = 0) -> float:
    """Give the two-sided p-value that paired differences (n) have a mean of zero; neighbours may be grouped."""
    import numpy as np

    sums = np.array([part.sum() for part in np.array_split(differences, min(len(differences), MOST_GROUPS))])
    random = np.random.default_rng(seed)
    seen = abs(sums.sum())
    least = seen - _SAME * max(1.0, float(abs(sums).sum()))
    extreme = 0
    for count in (1000,) * (EXCHANGES // 1000) + (EXCHANGES % 1000,):
        signs = random.integers(0, 2, (count, len(sums)), dtype=np.int8) * 2.0 - 1
        extreme += int((abs(signs @ sums) >= least).sum())
    return (extreme + 1) / (EXCHANGES + 1)
