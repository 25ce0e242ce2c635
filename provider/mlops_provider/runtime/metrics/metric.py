"""What a metric is: a name, a function of answers, which way is better and what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from mlops_provider.runtime.answers import Answers

    Array = np.ndarray[Any, Any]

Better = Literal["higher", "lower", "zero"]
Need = Literal["predictions", "probabilities", "season"]
"""predictions: nothing more; season: each row's value one season earlier (`Answers.naive`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric of one kind of problem.

    `function` gives its value, and raises ValueError with the reason where the rows do not define it. `each` gives what
    every row (in a ranking, every query) contributes, where the metric is the mean of that, with `root` its square
    root. `counts` gives the metric of many confusion matrices at once (b x truths x predictions -> b); `quick` the same
    as `function` at a smaller cost, for draws. `usual` metrics are measured without being asked for. `interval` is
    False where resampling says nothing, as of an extreme.
    """

    name: str
    description: str
    function: Callable[[Answers], float]
    better: Better = "higher"
    needs: Need = "predictions"
    usual: bool = False
    interval: bool = True
    each: Callable[[Answers], Array] | None = None
    root: bool = False
    counts: Callable[[Array], Array] | None = None
    quick: Callable[[Answers], float] | None = None
