"""What a model answers on labelled rows, checked before anything is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.metrics import compute
from mlops_provider.runtime.preprocess import column_type
from mlops_provider.runtime.sql import require_columns

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mlops_provider.store.models import LoadedModel, Signature

    Array = np.ndarray[Any, Any]

_NUMBERS = frozenset({"float", "integer"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """True and predicted values of n rows; `probabilities` are n x classes or None."""

    signature: Signature
    truth: Array
    predicted: Array
    probabilities: Array | None

    @classmethod
    def of(cls, model: LoadedModel, frame: pd.DataFrame) -> Self:
        """Predict; DataError says what the rows lack: columns, labels, types that the model knows."""
        signature = model.signature
        _check(signature, frame)
        try:
            predicted, probabilities = model.predict(frame), model.probabilities(frame)
        except (ValueError, TypeError) as err:
            raise DataError(f"the model does not take the evaluation data: {' '.join(str(err).split())[:300]}") from err
        truth = frame[signature.target].to_numpy()
        return cls(signature=signature, truth=truth, predicted=predicted, probabilities=probabilities)

    def measure(self, wanted: list[str], undefined: dict[str, str]) -> dict[str, float]:
        """Give the metrics; `undefined` takes the names and reasons of those that this data does not define."""
        signature = self.signature
        return compute(
            signature.task, self.truth, self.predicted, self.probabilities, signature.classes, wanted, undefined
        )


def _check(signature: Signature, frame: pd.DataFrame) -> None:
    require_columns(frame.columns, [*signature.names(), signature.target], "the evaluation data")
    if frame.empty:
        raise DataError("the evaluation data has no rows")
    target = frame[signature.target]
    missing = int(target.isna().sum())
    if missing:
        raise DataError(f"the target '{signature.target}' is missing in {missing} of {len(frame)} rows")
    for feature in signature.features:
        column = frame[feature.name]
        found = column_type(column)
        if not (found == feature.type or {found, feature.type} <= _NUMBERS or column.isna().all()):
            raise DataError(f"column '{feature.name}' is {found}, but the model learned it as {feature.type}")
    if signature.classes and not target.isin(list(signature.classes)).any():
        known = ", ".join(map(str, signature.classes[:10]))
        raise DataError(
            f"the target '{signature.target}' holds no class that the model knows, for example '{target.iloc[0]}'",
            hint=f"it knows: {known}",
        )
