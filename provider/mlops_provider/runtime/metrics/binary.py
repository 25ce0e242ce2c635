"""Metrics of two classes; the second is the positive one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.metrics import counts
from mlops_provider.runtime.metrics.classes import accuracy, correct, log_loss, log_losses, matthews
from mlops_provider.runtime.metrics.metric import Metric
from mlops_provider.runtime.metrics.ranks import area_by_ranks, average_ranks

if TYPE_CHECKING:
    import numpy as np

    from mlops_provider.runtime.answers import Answers

    Array = np.ndarray[Any, Any]

_OF_ONE: dict[str, Any] = {"average": "macro", "zero_division": 0.0}  # of the one label given: others may be new


def _precision(answers: Answers) -> float:
    from sklearn.metrics import precision_score

    return float(precision_score(**answers.cells, labels=[1], **_OF_ONE))


def _recall(answers: Answers) -> float:
    from sklearn.metrics import recall_score

    return float(recall_score(**answers.cells, labels=[1], **_OF_ONE))


def _f1(answers: Answers) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(**answers.cells, labels=[1], **_OF_ONE))


def _specificity(answers: Answers) -> float:
    from sklearn.metrics import recall_score

    return float(recall_score(**answers.cells, labels=[0], **_OF_ONE))


def _balanced_accuracy(answers: Answers) -> float:
    from sklearn.metrics import balanced_accuracy_score

    return float(balanced_accuracy_score(**answers.cells))


def _positive(answers: Answers) -> tuple[Array, Array]:
    """Give whether each row is positive and its probability of being so."""
    if answers.probabilities is None:
        raise ValueError("the model gives no probabilities")
    return answers.codes[0] == 1, answers.probabilities[:, 1]


def _roc_auc(answers: Answers) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(*_positive(answers)))


def _roc_auc_of_ranks(answers: Answers) -> float:
    """Give the same from the ranks of the positive rows, which is quicker than from the curve."""
    truth, scores = _positive(answers)
    return area_by_ranks(average_ranks(scores), truth)


def _pr_auc(answers: Answers) -> float:
    from sklearn.metrics import average_precision_score

    truth, scores = _positive(answers)
    if not truth.any():
        raise ValueError(f"none of the {len(truth)} rows is positive")
    return float(average_precision_score(truth, scores))


def _brier(answers: Answers) -> float:
    from sklearn.metrics import brier_score_loss

    return float(brier_score_loss(*_positive(answers), labels=[False, True]))


def _squared(answers: Answers) -> Array:
    truth, scores = _positive(answers)
    return (scores - truth) ** 2


METRICS = (
    Metric(
        name="accuracy", description="Share of rows whose class is right.", function=accuracy, usual=True,
        each=correct, counts=counts.accuracy,
    ),
    Metric(
        name="precision", description="Share of the rows called positive that are positive.", function=_precision,
        usual=True, counts=lambda c: counts.precision(c)[:, 1],
    ),
    Metric(
        name="recall", description="Share of the positive rows that are called positive.", function=_recall,
        usual=True, counts=lambda c: counts.recall(c)[:, 1],
    ),
    Metric(
        name="f1", description="Harmonic mean of precision and recall of the positive class.", function=_f1,
        usual=True, counts=lambda c: counts.f1(c)[:, 1],
    ),
    Metric(
        name="log_loss", description="Mean of minus the logarithm of the true class's probability.",
        function=log_loss, better="lower", needs="probabilities", usual=True, each=log_losses,
    ),
    Metric(
        name="roc_auc", description="Chance that a positive row gets a higher probability than another.",
        function=_roc_auc, needs="probabilities", usual=True, quick=_roc_auc_of_ranks,
    ),
    Metric(
        name="pr_auc", description="Average precision: precision over all thresholds, weighted by the gain of recall.",
        function=_pr_auc, needs="probabilities",
    ),
    Metric(
        name="brier", description="Mean squared distance of the positive class's probability from what came true.",
        function=_brier, better="lower", needs="probabilities", each=_squared,
    ),
    Metric(
        name="balanced_accuracy", description="Mean of the recalls of both classes.", function=_balanced_accuracy,
        counts=counts.balanced_accuracy,
    ),
    Metric(
        name="specificity", description="Share of the negative rows that are called negative.", function=_specificity,
        counts=lambda c: counts.recall(c)[:, 0],
    ),
    Metric(
        name="mcc", description="Matthews' correlation of truth and prediction.", function=matthews,
        counts=counts.matthews,
    ),
)  # fmt: skip
