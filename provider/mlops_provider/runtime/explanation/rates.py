"""Rates by group: each the sum of something over the rows of a group, divided by the sum of something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError
from mlops_provider.runtime.explanation.outputs import BINARY

if TYPE_CHECKING:
    import numpy as np

    from mlops_provider.runtime.answers import Answers
    from mlops_provider.store.models import Signature

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Rate:
    """What is summed above and below, by row, and the truth and prediction that fairlearn compares for it.

    A share is a rate whose rows count 0 or 1.
    """

    above: Array
    below: Array
    compared: tuple[Array, Array]
    share: bool = True

    def by_group(self, codes: Array, groups: int) -> tuple[Array, Array]:
        """Give the rate of each group, NaN where it is not defined, and how many rows it counts."""
        import numpy as np

        above, below = (np.bincount(codes, values, minlength=groups) for values in (self.above, self.below))
        with np.errstate(invalid="ignore"):
            return above / below, below

    def resampled(self, inside: Array, times: int, random: np.random.Generator) -> Array:
        """Give the rate of some rows in so many resamples of them.

        Shares are drawn from Jeffreys' posterior: resamples of twenty rows that all say no would all say no, and claim
        to be sure.
        """
        above, below = self.above[inside], self.below[inside]
        if self.share:
            yes, rows = above.sum(), below.sum()
            return random.beta(yes + 0.5, rows - yes + 0.5, times)
        drawn = random.integers(0, len(above), (times, len(above)))
        return above[drawn].mean(axis=1)  # type: ignore[no-any-return]


def make_rates(answers: Answers, favorable: str = "") -> dict[str, Rate]:
    """Give the rates that the task defines.

    Of classes: the share that gets the favorable one (`selection_rate`), true and false positive rate, accuracy; of
    more than two classes without a favorable one accuracy alone. Of labels the favorable one is such a class. Of
    numbers: mean prediction, mean error (predicted less true) and mean absolute error; of a ranking, whose numbers
    are no estimates of the truth, the mean prediction alone. ConfigError where there is no such class.
    """
    import numpy as np

    signature = answers.signature
    truth, predicted = answers.truth, answers.predicted
    if signature.task not in {"classification", "multilabel"}:
        if favorable:
            raise ConfigError("'favorable' names a class, but the model gives numbers", hint="remove it")
        return _of_numbers(
            np.asarray(truth, dtype=float).ravel(), np.asarray(predicted, dtype=float).ravel(), signature
        )
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    ones = np.ones(len(truth))
    equal = truth == predicted
    right = (equal.all(axis=1) if equal.ndim > 1 else equal).astype(float)
    found = {"accuracy": Rate(right, ones, (ones, right))}
    classes = signature.labels or signature.classes
    if favorable:
        place = _class_index(classes, favorable)
    elif signature.task == "classification" and len(classes) == BINARY:
        place = 1
    else:
        return found
    if signature.labels:
        good, given = (values[:, place].astype(float) for values in (truth, predicted))
    else:
        good, given = ((values == classes[place]).astype(float) for values in (truth, predicted))
    compared = (good.astype(int), given.astype(int))
    return {
        "selection_rate": Rate(given, ones, compared),
        "true_positive_rate": Rate(given * good, good, compared),
        "false_positive_rate": Rate(given * (1 - good), 1 - good, compared),
        **found,
    }


def _of_numbers(truth: Array, predicted: Array, signature: Signature) -> dict[str, Rate]:
    import numpy as np

    ones, compared = np.ones(len(truth)), (truth, predicted)
    found = {"mean_prediction": Rate(predicted, ones, compared, share=False)}
    if signature.task != "ranking":
        found["mean_error"] = Rate(predicted - truth, ones, compared, share=False)
        found["mae"] = Rate(abs(predicted - truth), ones, compared, share=False)
    return found


def _class_index(classes: tuple[Any, ...], favorable: str) -> int:
    names = [str(label) for label in classes]
    if favorable not in names:
        raise ConfigError(f"there is no class '{favorable}'", hint=f"'favorable' is one of {', '.join(names[:20])}")
    return names.index(favorable)
