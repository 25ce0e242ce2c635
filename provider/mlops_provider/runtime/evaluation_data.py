"""Rows that a model is judged on, checked against what the model learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.preprocess import column_type
from mlops_provider.runtime.sql import require_columns

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mlops_provider.store.models import Signature

    Array = np.ndarray[Any, Any]

_NUMBERS = frozenset({"float", "integer"})


def check_rows(signature: Signature, frame: pd.DataFrame) -> None:
    """Raise DataError for missing columns or labels, other types than the model learned, targets that are no truth."""
    more = [name for name in (signature.query, signature.timestamp) if name]
    require_columns(frame.columns, [*signature.names(), *signature.targets(), *more], "the evaluation data")
    if frame.empty:
        raise DataError("the evaluation data has no rows")
    for name in signature.targets():
        _require_complete(frame[name], f"the target '{name}'")
    for name in more:
        _require_complete(frame[name], f"'{name}'")
    for feature in signature.features:
        column = frame[feature.name]
        found = column_type(column)
        if not (found == feature.type or {found, feature.type} <= _NUMBERS or column.isna().all()):
            raise DataError(f"column '{feature.name}' is {found}, but the model learned it as {feature.type}")
    if signature.task == "classification":
        _require_known_classes(signature, frame[signature.target])
    elif signature.task == "multilabel":
        _require_yes_or_no(frame[list(signature.labels)])
    else:
        _require_finite(frame[signature.target])


def naive_forecast(timestamp: pd.Series[Any], truth: Array, season: int) -> tuple[Array, Array]:
    """Give each row's place in time and the true value one season earlier, NaN where there is none."""
    import numpy as np

    order = timestamp.argsort(kind="stable").to_numpy()
    time = np.empty(len(order), dtype=np.int64)
    time[order] = np.arange(len(order))
    naive = np.full(len(order), np.nan)
    naive[order[season:]] = truth[order[:-season]]
    return time, naive


def _require_complete(column: pd.Series[Any], what: str) -> None:
    missing = int(column.isna().sum())
    if missing:
        raise DataError(f"{what} is missing in {missing} of {len(column)} rows")


def _require_known_classes(signature: Signature, target: pd.Series[Any]) -> None:
    if signature.classes and not target.isin(list(signature.classes)).any():
        known = ", ".join(map(str, signature.classes[:10]))
        raise DataError(
            f"the target '{signature.target}' holds no class that the model knows, for example '{target.iloc[0]}'",
            hint=f"it knows: {known}",
        )


def _require_yes_or_no(labels: pd.DataFrame) -> None:
    for name in labels:
        other = labels[name][~labels[name].isin([0, 1])]
        if len(other):
            raise DataError(
                f"the label '{name}' is neither 0 nor 1 in {len(other)} of {len(labels)} rows, for example "
                f"'{other.iloc[0]}'"
            )


def _require_finite(target: pd.Series[Any]) -> None:
    import numpy as np

    try:
        values = target.to_numpy().astype(float)
    except (ValueError, TypeError) as err:
        raise DataError(f"the target '{target.name}' is {column_type(target)}, but the model predicts numbers") from err
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise DataError(f"the target '{target.name}' is infinite in {bad} of {len(values)} rows")
