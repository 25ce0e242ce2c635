"""Metrics of several labels of yes and no (n x labels)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.metrics.metric import Metric

if TYPE_CHECKING:
    import numpy as np

    from mlops_provider.runtime.answers import Answers

    Array = np.ndarray[Any, Any]


def _subset_accuracy(answers: Answers) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(answers.truth, answers.predicted))


def _hamming_loss(answers: Answers) -> float:
    from sklearn.metrics import hamming_loss

    return float(hamming_loss(answers.truth, answers.predicted))


def _averaged(answers: Answers, *, function: str, average: str) -> float:
    from sklearn import metrics

    score = getattr(metrics, f"{function}_score")
    return float(score(answers.truth, answers.predicted, average=average, zero_division=0.0))


def _ranked(answers: Answers, *, function: str) -> float:
    from sklearn import metrics

    return float(getattr(metrics, function)(answers.truth, answers.probabilities))


def _by_label(answers: Answers, *, function: str) -> float:
    from sklearn import metrics

    constant = (answers.truth == answers.truth[0]).all(axis=0)
    if constant.any():
        raise ValueError(f"{int(constant.sum())} of {len(constant)} labels are the same in every row")
    return float(getattr(metrics, function)(answers.truth, answers.probabilities, average="macro"))


def _all_right(answers: Answers) -> Array:
    right: Array = (answers.truth == answers.predicted).all(axis=1)
    return right.astype(float)


def _wrong(answers: Answers) -> Array:
    """Give the share of wrong labels of each row."""
    share: Array = (answers.truth != answers.predicted).mean(axis=1)
    return share


_HOW = {
    "micro": "over all labels of all rows together",
    "macro": "of each label, the mean over labels",
    "samples": "of each row, the mean over rows",
}

METRICS = (
    Metric(
        name="subset_accuracy", description="Share of rows whose labels are all right.", function=_subset_accuracy,
        usual=True, each=_all_right,
    ),
    Metric(
        name="hamming_loss", description="Share of labels that are wrong.", function=_hamming_loss, better="lower",
        usual=True, each=_wrong,
    ),
    *(
        Metric(
            name=f"{function}_{average}", description=f"{function.capitalize()} {how}.",
            function=partial(_averaged, function=function, average=average), usual=function == "f1",
        )
        for function in ("f1", "precision", "recall", "jaccard")
        for average, how in _HOW.items()
    ),
    Metric(
        name="label_ranking_average_precision", usual=True, needs="probabilities",
        description="Mean over true labels of the share of true ones among those ranked as high.",
        function=partial(_ranked, function="label_ranking_average_precision_score"),
    ),
    Metric(
        name="label_ranking_loss", needs="probabilities", better="lower",
        description="Share of pairs of a true and a false label that are ranked the wrong way round.",
        function=partial(_ranked, function="label_ranking_loss"),
    ),
    Metric(
        name="coverage_error", needs="probabilities", better="lower",
        description="How far down the ranked labels one has to go to find all true ones.",
        function=partial(_ranked, function="coverage_error"),
    ),
    Metric(
        name="roc_auc", needs="probabilities", description="ROC AUC of each label, the mean over labels.",
        function=partial(_by_label, function="roc_auc_score"),
    ),
    Metric(
        name="pr_auc", needs="probabilities", description="Average precision of each label, the mean over labels.",
        function=partial(_by_label, function="average_precision_score"),
    ),
)  # fmt: skip
