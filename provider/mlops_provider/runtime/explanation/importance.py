"""Permutation importance: what the score loses when the values of a column are shuffled among the rows.

Breiman, Random Forests (2001), as scikit-learn computes it, on raw columns: the preprocessing is part of the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.answers import Answers
from mlops_provider.runtime.metrics import deciding, find, goodness, is_lower_better

if TYPE_CHECKING:
    import pandas as pd

    from mlops_provider.store.models import LoadedModel

CORRELATED = 0.8
"""Columns whose rank correlation exceeds this, either way, are also shuffled together."""


@dataclass(frozen=True, slots=True)
class Importance:
    """What the score loses without the columns: mean and standard deviation over the repeats."""

    columns: tuple[str, ...]
    mean: float
    spread: float

    @property
    def noise(self) -> bool:
        """True where the loss is not above what chance makes of it; a negative one always is."""
        return self.mean <= self.spread

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {"columns": list(self.columns), "mean": self.mean, "spread": self.spread, "noise": self.noise}


@dataclass(frozen=True, slots=True, kw_only=True)
class Importances:
    """Every column's importance, the largest first, and that of correlated columns together.

    `score` is that of the rows as they are; `lower_is_better` says so of the scoring; a loss is above 0 either way.
    """

    scoring: str
    lower_is_better: bool
    score: float
    columns: tuple[Importance, ...]
    together: tuple[Importance, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "scoring": self.scoring,
            "lower_is_better": self.lower_is_better,
            "score": self.score,
            "columns": [one.to_dict() for one in self.columns],
            "together": [one.to_dict() for one in self.together],
        }


class _Predicting:
    """A model that is not asked for probabilities, which a metric of predictions does not need."""

    def __init__(self, model: LoadedModel) -> None:
        self.signature = model.signature
        self.predict = model.predict

    def probabilities(self, _frame: pd.DataFrame) -> None:
        """Give none."""


class _Scorer:
    """Measures rows whose features were changed; to scikit-learn it is the estimator and the scoring at once."""

    def __init__(self, model: LoadedModel, frame: pd.DataFrame, scoring: str) -> None:
        needs = find(model.signature.kind, scoring).needs
        self.model = _Predicting(model) if needs == "predictions" else model
        self.rest = frame.drop(columns=model.signature.names())
        self.scoring = scoring

    def fit(self) -> None:
        """Say that there is nothing to fit."""

    def __call__(self, _estimator: Any, inputs: pd.DataFrame, _truth: Any = None) -> float:
        """Give how good the score is, more is better."""
        return goodness(self.scoring, self.score(inputs))

    def score(self, inputs: pd.DataFrame) -> float:
        """Give the score; DataError where these rows do not define it."""
        import pandas as pd

        undefined: dict[str, str] = {}
        answers = Answers.of(self.model, pd.concat([inputs, self.rest], axis=1))
        found = answers.measure([self.scoring], undefined)
        if self.scoring not in found:
            reason = undefined.get(self.scoring, "these rows do not define it")
            raise DataError(f"'{self.scoring}' cannot be measured: {reason}", hint="choose another 'scoring'")
        return found[self.scoring]


def permutation_importances(
    model: LoadedModel, frame: pd.DataFrame, *, scoring: str = "", repeats: int = 5, seed: int = 0
) -> Importances:
    """Shuffle every feature `repeats` times; features that go together, also together.

    `frame` has the columns that `Answers` needs: features, truth and, by task, query or timestamp.
    """
    from sklearn.inspection import permutation_importance

    scoring = scoring or deciding(model.signature.task)
    frame = frame.reset_index(drop=True)
    inputs = frame[model.signature.names()]
    scorer = _Scorer(model, frame, scoring)
    found = permutation_importance(scorer, inputs, None, scoring=scorer, n_repeats=repeats, random_state=seed)
    single = [
        Importance((str(name),), float(mean), float(spread))
        for name, mean, spread in zip(inputs, found.importances_mean, found.importances_std, strict=True)
    ]
    score = scorer.score(inputs)
    together = [
        _shuffled_together(scorer, inputs, columns, goodness(scoring, score), repeats, seed)
        for columns in correlated_columns(inputs)
    ]
    return Importances(
        scoring=scoring,
        lower_is_better=is_lower_better(scoring),
        score=score,
        columns=tuple(sorted(single, key=lambda one: -one.mean)),
        together=tuple(sorted(together, key=lambda one: -one.mean)),
    )


def correlated_columns(inputs: pd.DataFrame, threshold: float = CORRELATED) -> list[tuple[str, ...]]:
    """Give the sets of numeric columns that are linked by rank correlations above a threshold, two or more each."""
    import numpy as np

    numbers = inputs.select_dtypes("number")
    if numbers.shape[1] < 2:  # noqa: PLR2004 (a pair)
        return []
    linked = numbers.corr(method="spearman").abs().to_numpy() > threshold
    found: list[tuple[str, ...]] = []
    left = set(range(len(linked)))
    while left:
        together, waiting = set(), [min(left)]
        while waiting:
            one = waiting.pop()
            together.add(one)
            waiting += [int(other) for other in np.flatnonzero(linked[one]) if other not in together]
        left -= together
        if len(together) > 1:
            found.append(tuple(str(numbers.columns[place]) for place in sorted(together)))
    return found


def _shuffled_together(
    scorer: _Scorer, inputs: pd.DataFrame, columns: tuple[str, ...], good: float, repeats: int, seed: int
) -> Importance:
    import numpy as np

    random = np.random.default_rng(seed)
    losses = []
    for _ in range(repeats):
        rows = random.permutation(len(inputs))
        moved = {name: inputs[name].iloc[rows].set_axis(inputs.index) for name in columns}
        losses.append(good - scorer(None, inputs.assign(**moved)))
    return Importance(columns, float(np.mean(losses)), float(np.std(losses)))
