"""What the metrics of two and of more classes share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from mlops_provider.runtime.answers import Answers

    Array = np.ndarray[Any, Any]


def accuracy(answers: Answers) -> float:
    """Share of rows whose class is right."""
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(**answers.cells))


def matthews(answers: Answers) -> float:
    """Matthews' correlation coefficient."""
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(**answers.cells))


def correct(answers: Answers) -> Array:
    """Say of each row whether its class is right: 1 or 0."""
    truth, predicted = answers.codes
    right: Array = truth == predicted
    return right.astype(float)


def log_loss(answers: Answers) -> float:
    """Mean log loss; not defined where a true class has no probability."""
    from sklearn.metrics import log_loss

    return float(log_loss(_known_truth(answers), answers.probabilities, labels=range(len(answers.signature.classes))))


def log_losses(answers: Answers) -> Array:
    """Give the log loss of each row."""
    return log_losses_of(_known_truth(answers), answers)


def log_losses_of(truth: Array, answers: Answers) -> Array:
    """Give minus the logarithm of the probability of each row's true class, by its number."""
    import numpy as np

    if answers.probabilities is None:
        raise ValueError("the model gives no probabilities")
    given = answers.probabilities[np.arange(len(truth)), truth].astype(float)
    losses: Array = -np.log(np.clip(given, np.finfo(given.dtype).eps, 1.0))
    return losses


def _known_truth(answers: Answers) -> Array:
    truth: Array = answers.codes[0]
    new = int((truth >= len(answers.signature.classes)).sum())
    if new:
        raise ValueError(f"{new} of {len(truth)} rows are of classes that the model does not know")
    return truth
