"""How good the answers are, before anybody knows the truth: estimates from calibrated probabilities.

A probability that keeps its word says how often a prediction is right, so that the expected confusion matrix of rows
without labels is a sum over their probabilities: confidence-based performance estimation (CBPE; Kivimäki, Białek,
Kuberski, Nurminen: Performance Estimation in Binary Classification Using Calibrated Confidence, 2025). It holds while
the probabilities keep meaning what they meant where they were calibrated: it sees a shift of the features, and is blind
to a change of the concept itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from mlops_provider.runtime.calibration import Reliability
from mlops_provider.runtime.metrics.ranks import area_by_chances, area_by_ranks, average_ranks
from mlops_provider.runtime.metrics.table import METRICS

if TYPE_CHECKING:
    import numpy as np

    from mlops_provider.store.models import Signature

    Array = np.ndarray[Any, Any]

DRAWS = 500
SURE = 1.96
"""Standard errors on either side of an estimate that make a 95 % interval."""
_LOSSES = ("log_loss", "brier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Rows of a classification: `score` is the probability of the second of two classes, of more that of the predicted.

    `positive` says which rows were predicted to be of the second class (of more classes: all are True). `happened` says
    what came true: the second class, of more classes the predicted one; None where it is not known.
    """

    score: Array
    positive: Array
    happened: Array | None = None

    @classmethod
    def of(cls, signature: Signature, predicted: Array, probability: Array, truth: Array | None = None) -> Self:
        """Take rows as the log has them: the prediction and the probability of it."""
        import numpy as np

        given = np.asarray(probability, dtype=np.float64)
        if signature.kind != "binary":
            happened = None if truth is None else np.asarray(truth == predicted, dtype=bool)
            return cls(score=given, positive=np.ones(len(given), dtype=bool), happened=happened)
        positive = np.asarray(predicted == signature.classes[1], dtype=bool)
        happened = None if truth is None else np.asarray(truth == signature.classes[1], dtype=bool)
        return cls(score=np.where(positive, given, 1 - given), positive=positive, happened=happened)

    def take(self, rows: Any) -> Self:
        """Give some of the rows."""
        happened = None if self.happened is None else self.happened[rows]
        return type(self)(score=self.score[rows], positive=self.positive[rows], happened=happened)

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self.score)


@dataclass(frozen=True, slots=True)
class Calibrator:
    """An isotonic regression from scores to chances, made of `rows` labelled rows; `ece` is the error of the scores."""

    scores: Array
    chances: Array
    rows: int
    ece: float

    @classmethod
    def of(cls, rows: Scored) -> Self:
        """Fit rows whose outcome is known (scikit-learn's IsotonicRegression; Zadrozny and Elkan 2002)."""
        from sklearn.isotonic import IsotonicRegression

        assert rows.happened is not None
        fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(rows.score, rows.happened)
        error = Reliability.of(rows.happened, rows.score).ece
        return cls(fitted.X_thresholds_, fitted.y_thresholds_, len(rows), error)

    def __call__(self, score: Array) -> Array:
        """Give the chances of scores; beyond those that were seen, that of the nearest."""
        import numpy as np

        return np.interp(score, self.scores, self.chances)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Estimated metrics of `rows` rows, and the standard error that chance alone gives each."""

    rows: int
    metrics: dict[str, float]
    errors: dict[str, float]


def estimable(signature: Signature) -> list[str]:
    """Give the metrics that can be estimated.

    Of two classes those of the confusion matrix, roc_auc, log_loss and brier; of more classes the accuracy, for the log
    keeps the probability of the predicted class alone; of numbers none.
    """
    if signature.task != "classification":
        return []
    if signature.kind == "multiclass":
        return ["accuracy"]
    counted = [metric.name for metric in METRICS["binary"].values() if metric.counts]
    return [*counted, "roc_auc", *_LOSSES]


def estimate(signature: Signature, rows: Scored, calibrator: Calibrator, *, seed: int = 0) -> Estimate:
    """Estimate metrics of rows whose outcome is not known."""
    import numpy as np

    chance = calibrator(rows.score)
    random = np.random.default_rng(seed)
    if signature.kind == "multiclass":
        error = float(np.sqrt((chance * (1 - chance)).sum()) / len(rows))
        return Estimate(rows=len(rows), metrics={"accuracy": float(chance.mean())}, errors={"accuracy": error})
    expected, drawn = _matrices(rows.positive, chance, random)
    metrics: dict[str, float] = {}
    errors: dict[str, float] = {}
    for metric in METRICS["binary"].values():
        if metric.counts:
            metrics[metric.name] = float(metric.counts(expected)[0])
            errors[metric.name] = float(metric.counts(drawn).std())
    for name, right, wrong in _losses(rows.score):
        metrics[name] = float((chance * right + (1 - chance) * wrong).mean())
        errors[name] = float(np.sqrt((chance * (1 - chance) * (right - wrong) ** 2).sum()) / len(rows))
    if 0 < chance.sum() < len(rows):
        metrics["roc_auc"], errors["roc_auc"] = _area(rows.score, chance, random)
    return Estimate(rows=len(rows), metrics=metrics, errors=errors)


def _matrices(positive: Array, chance: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Give the expected confusion matrix (1 x truths x predictions), and such as chance may make of it (draws)."""
    import numpy as np

    expected = np.zeros((1, 2, 2))
    drawn = np.zeros((DRAWS, 2, 2))
    for said, inside in enumerate((~positive, positive)):
        count, true = inside.sum(), chance[inside].sum()
        spread = np.sqrt((chance[inside] * (1 - chance[inside])).sum())
        expected[0, :, said] = count - true, true
        drawn[:, 1, said] = np.clip(random.normal(true, spread, DRAWS), 0, count)
        drawn[:, 0, said] = count - drawn[:, 1, said]
    return expected, drawn


def _losses(score: Array) -> list[tuple[str, Array, Array]]:
    """Give log loss and squared error of each row, should it be of the second class, and should it not."""
    import numpy as np

    bounded = np.clip(score, np.finfo(float).eps, 1 - np.finfo(float).eps)
    return [("log_loss", -np.log(bounded), -np.log(1 - bounded)), ("brier", (1 - score) ** 2, score**2)]


def _area(score: Array, chance: Array, random: np.random.Generator) -> tuple[float, float]:
    """Give the ROC AUC of rows that count as both classes, each by its chance, and its spread over drawn truths."""
    import numpy as np

    ranks = average_ranks(score)
    drawn = [area_by_ranks(ranks, random.random(len(score)) < chance) for _ in range(DRAWS // 10)]
    areas = [area for area in drawn if np.isfinite(area)]
    return area_by_chances(score, chance), float(np.std(areas)) if areas else 0.0
