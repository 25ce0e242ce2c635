"""Metrics of three and more classes. Means over classes count those that occur or were predicted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.metrics import counts
from mlops_provider.runtime.metrics.classes import accuracy, correct, log_loss, log_losses, matthews
from mlops_provider.runtime.metrics.metric import Metric

if TYPE_CHECKING:
    import numpy as np

    from mlops_provider.runtime.answers import Answers

    Array = np.ndarray[Any, Any]


def _by_class(answers: Answers, *, function: str, average: str) -> float:
    from sklearn import metrics

    return float(getattr(metrics, f"{function}_score")(**answers.cells, average=average, zero_division=0.0))


def _counted(matrices: Array, *, function: str, average: str) -> Array:
    values: Array = getattr(counts, function)(matrices)
    mean: Array = getattr(counts, average)(values, matrices)
    return mean


def _mean_metric(name: str, function: str, average: str, description: str, *, usual: bool = False) -> Metric:
    return Metric(
        name=name,
        description=description,
        function=partial(_by_class, function=function, average=average),
        counts=partial(_counted, function=function, average=average),
        usual=usual,
    )


def _balanced_accuracy(answers: Answers) -> float:
    from sklearn.metrics import balanced_accuracy_score

    return float(balanced_accuracy_score(**answers.cells))


def _roc_auc(answers: Answers) -> float:
    from sklearn.metrics import roc_auc_score

    labels = range(len(answers.signature.classes))
    return float(roc_auc_score(answers.codes[0], answers.probabilities, multi_class="ovr", labels=labels))


def _top(answers: Answers, *, k: int) -> float:
    """Share of rows whose class is among the k most probable; rows of new classes are wrong."""
    from sklearn.metrics import top_k_accuracy_score

    truth = answers.codes[0]
    labels = range(len(answers.signature.classes))
    known = truth < len(labels)
    if answers.probabilities is None or not known.any():
        return 0.0
    share = top_k_accuracy_score(truth[known], answers.probabilities[known], k=k, labels=labels)
    return float(share * known.mean())


_MEANS = tuple(
    _mean_metric(
        f"{function}_{average}" if average != "macro" or explicit else function,
        function,
        average,
        f"{function.capitalize()} of each class, the mean {how}.",
        usual=not explicit and average == "macro",
    )
    for function in ("precision", "recall", "f1")
    for average, how, explicit in (
        ("macro", "over classes", False),
        ("macro", "over classes: the same as without '_macro'", True),
        ("weighted", "by how often each occurs", True),
    )
)

METRICS = (
    Metric(
        name="accuracy", description="Share of rows whose class is right.", function=accuracy, usual=True,
        each=correct, counts=counts.accuracy,
    ),
    *(metric for metric in _MEANS if metric.usual),
    Metric(
        name="log_loss", description="Mean of minus the logarithm of the true class's probability.",
        function=log_loss, better="lower", needs="probabilities", usual=True, each=log_losses,
    ),
    Metric(
        name="roc_auc", description="ROC AUC of each class against the rest, the mean over classes.",
        function=_roc_auc, needs="probabilities", usual=True,
    ),
    *(metric for metric in _MEANS if not metric.usual),
    Metric(
        name="balanced_accuracy", description="Mean of the recalls of the classes that occur.",
        function=_balanced_accuracy, counts=counts.balanced_accuracy,
    ),
    Metric(
        name="mcc", description="Matthews' correlation of truth and prediction.", function=matthews,
        counts=counts.matthews,
    ),
    *(
        Metric(
            name=f"top_{k}_accuracy", description=f"Share of rows whose class is among the {k} most probable.",
            function=partial(_top, k=k), needs="probabilities",
        )
        for k in (2, 3, 5)
    ),
)  # fmt: skip
