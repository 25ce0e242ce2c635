"""What a model answers on labelled rows, checked before anything is measured."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, Self

from mlops_provider.exceptions import DataError
from mlops_provider.runtime import metrics
from mlops_provider.runtime.evaluation_data import check_rows, naive_forecast
from mlops_provider.runtime.metrics.classes import correct, log_losses_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import pandas as pd

    from mlops_provider.store.models import Signature

    Array = np.ndarray[Any, Any]


class Model(Protocol):
    """What is asked: a `LoadedModel`, or anything that answers like one."""

    @property
    def signature(self) -> Signature:
        """What it takes and gives."""
        ...

    def predict(self, frame: pd.DataFrame) -> Array:
        """Predict n values, or n x labels."""
        ...

    def probabilities(self, frame: pd.DataFrame) -> Array | None:
        """Give n x classes, or n x labels, or None."""
        ...


@dataclass(frozen=True, kw_only=True)
class Answers:
    """True and predicted values of n rows, of a multilabel model n x labels of 0 and 1.

    `probabilities` are n x classes, or n x labels, or None. A ranking has in `query` the number of each row's query; a
    forecast in `time` each row's place in time and in `naive` the true value one season earlier, else NaN.
    """

    signature: Signature
    truth: Array
    predicted: Array
    probabilities: Array | None = None
    query: Array | None = None
    time: Array | None = None
    naive: Array | None = None

    @classmethod
    def of(cls, model: Model, frame: pd.DataFrame) -> Self:
        """Predict; DataError says what the rows lack (columns, labels, types), or what the model answered wrongly."""
        signature = model.signature
        check_rows(signature, frame)
        try:
            predicted, probabilities = model.predict(frame), model.probabilities(frame)
        except (ValueError, TypeError) as err:
            raise DataError(f"the model does not take the evaluation data: {' '.join(str(err).split())[:300]}") from err
        answers = cls(
            signature=signature, truth=_truth(signature, frame), predicted=predicted, probabilities=probabilities
        )
        _check_answers(answers)
        if signature.task == "ranking":
            return replace(answers, query=frame[signature.query].factorize()[0])
        if signature.task == "forecasting":
            time, naive = naive_forecast(frame[signature.timestamp], answers.truth, signature.season)
            return replace(answers, time=time, naive=naive)
        return answers

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self.truth)

    def units(self) -> tuple[int, int]:
        """Give how many rows metrics are means over, and how many are left out; of a ranking, how many queries."""
        if self.query is None:
            return len(self), 0
        from mlops_provider.runtime.metrics.ranking import telling

        told, all_of_them = len(set(self.query[telling(self)].tolist())), len(set(self.query.tolist()))
        return told, all_of_them - told

    def take(self, rows: Array) -> Self:
        """Give some of the rows, by position or by a mask of n booleans; positions may repeat."""
        taken = replace(
            self,
            truth=self.truth[rows],
            predicted=self.predicted[rows],
            probabilities=_rows(self.probabilities, rows),
            query=_rows(self.query, rows),
            time=_rows(self.time, rows),
            naive=_rows(self.naive, rows),
        )
        if "codes" in vars(self):
            vars(taken)["codes"] = self.codes[:, rows]
        return taken

    @cached_property
    def codes(self) -> Array:
        """Truth and prediction as numbers of classes (2 x n); those that the model does not know come after its own."""
        import numpy as np
        import pandas as pd

        classes = pd.Index(self.signature.classes)
        found = [np.asarray(classes.get_indexer(pd.Index(values))) for values in (self.truth, self.predicted)]
        new = [codes < 0 for codes in found]
        values = [side[mask] for side, mask in zip((self.truth, self.predicted), new, strict=True)]
        if any(len(part) for part in values):
            numbers, _ = pd.factorize(np.concatenate([part.astype(object) for part in values]), sort=False)
            found[0][new[0]] = numbers[: len(values[0])] + len(classes)
            found[1][new[1]] = numbers[len(values[0]) :] + len(classes)
        return np.stack(found)

    @cached_property
    def cells(self) -> dict[str, Array]:
        """The pairs of true and predicted code that occur, and how often: scikit-learn's arguments of classes."""
        base = int(self.codes.max()) + 1
        pairs, counts = counted(self.codes[0] * base + self.codes[1], base * base)
        return {"y_true": pairs // base, "y_pred": pairs % base, "sample_weight": counts.astype(float)}

    @cached_property
    def new_classes(self) -> dict[str, int]:
        """Classes of the truth that the model does not know, with their rows, the most frequent first."""
        if self.signature.task != "classification":
            return {}
        import pandas as pd

        counts = pd.Series(self.truth[self.codes[0] >= len(self.signature.classes)]).value_counts()
        return {str(name): int(count) for name, count in counts.items()}

    def measure(self, wanted: Iterable[str], undefined: dict[str, str]) -> dict[str, float]:
        """Give metrics, without names the usual ones of the task; ConfigError where there is no such metric.

        `undefined` takes the names and reasons of those that these rows, or this model, do not define.
        """
        kind = self.signature.kind
        found: dict[str, float] = {}
        for name in list(wanted) or metrics.usual(kind):
            metric = metrics.find(kind, name)
            if metric.needs == "probabilities" and self.probabilities is None:
                undefined[name] = "the model gives no probabilities"
                continue
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    value = metric.function(self)
            except ValueError as err:
                undefined[name] = " ".join(str(err).split())[:200]
                continue
            if math.isfinite(value):
                found[name] = value
            else:
                different = len(set(self.truth.ravel().tolist()))
                undefined[name] = f"it is {value} on {len(self)} rows with {different} different truths"
        return found

    def losses(self) -> Array:
        """Give how wrong each row is (n values, 0 is right).

        Of classes the log loss, without probabilities 1 for a wrong class and 0 for the right one; of several labels
        the share of wrong ones; of numbers and forecasts the absolute error; of a ranking one minus the ndcg of the
        row's query, 0 where the query says nothing.
        """
        import numpy as np

        task = self.signature.task
        if task == "multilabel":
            return (self.truth != self.predicted).mean(axis=1)  # type: ignore[no-any-return]
        if task == "ranking":
            return self._ranking_losses()
        if task != "classification":
            return abs(self.truth.astype(float) - self.predicted)
        truth = self.codes[0]
        if self.probabilities is None:
            return 1 - correct(self)
        known = truth < len(self.signature.classes)
        found = np.full(len(self), -math.log(np.finfo(float).eps))  # as log_loss says of an impossible class
        found[known] = log_losses_of(truth[known], self.take(known))
        return found

    def _ranking_losses(self) -> Array:
        import numpy as np

        from mlops_provider.runtime.metrics.ranking import telling

        each = metrics.find("ranking", "ndcg").each
        found = np.zeros(len(self))
        if each is None or self.query is None:
            return found
        tells = telling(self)
        of_query = np.zeros(int(self.query.max()) + 1)
        of_query[np.unique(self.query[tells])] = 1 - each(self)
        found[tells] = of_query[self.query[tells]]
        return found


def counted(codes: Array, bound: int) -> tuple[Array, Array]:
    """Give the different codes (0 <= code < bound), ascending, and how often each occurs."""
    import numpy as np

    if bound > max(len(codes), 1000):
        values, counts = np.unique(codes, return_counts=True)
        return values, counts
    counts = np.bincount(codes, minlength=1)
    values = np.flatnonzero(counts)
    return values, counts[values]


def _rows(values: Array | None, rows: Array) -> Array | None:
    return None if values is None else values[rows]


def _truth(signature: Signature, frame: pd.DataFrame) -> Array:
    if signature.task == "multilabel":
        return frame[list(signature.labels)].to_numpy().astype(int)
    truth: Array = frame[signature.target].to_numpy()
    return truth if signature.task == "classification" else truth.astype(float)


def _check_answers(answers: Answers) -> None:
    """Raise DataError where the model answered something that is no number, or too much or too little."""
    import numpy as np

    if answers.predicted.shape != answers.truth.shape:
        raise DataError(f"the model gave {answers.predicted.shape} predictions for {answers.truth.shape} true values")
    if answers.signature.task in {"regression", "ranking", "forecasting"}:
        bad = int((~np.isfinite(answers.predicted.astype(float))).sum())
        if bad:
            raise DataError(
                f"the model predicts infinite or missing numbers in {bad} of {len(answers)} rows",
                hint="look at extreme features of these rows, or at what the target was divided by or raised to",
            )
    given = answers.probabilities
    if given is not None and (bad := int((~np.isfinite(given)).reshape(len(given), -1).any(axis=1).sum())):
        raise DataError(f"the model gives probabilities that are no numbers in {bad} of {len(given)} rows")
