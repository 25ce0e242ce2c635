"""How much each row counts: by a column of the data, by its class, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

_SHOWN = 20


def sample_weights(frame: pd.DataFrame, name: str, where: str) -> Array:
    """Give a column of weights (n); DataError where they are no finite numbers from 0 up, or all 0."""
    import numpy as np
    import pandas.api.types as kinds

    column = frame[name]
    if not kinds.is_numeric_dtype(column) or kinds.is_bool_dtype(column):
        raise DataError(f"'sample_weight' is '{name}', which holds no numbers but {column.dtype} in {where}")
    if missing := int(column.isna().sum()):
        raise DataError(f"the weight '{name}' is missing in {missing} of {len(frame)} rows of {where}")
    weights = column.to_numpy(dtype=float)
    wrong = ~np.isfinite(weights) | (weights < 0)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"the weight '{name}' is {weights[row]:g} in row {row} of {where} ({int(wrong.sum())} such rows)",
            hint="weights are finite numbers from 0 up",
        )
    if not weights.any():
        raise DataError(f"the weight '{name}' is 0 in every row of {where}")
    return weights


def class_weights(asked: str | Mapping[str, float], target: pd.Series[Any]) -> str | dict[Any, float]:
    """Give 'balanced' or the weight of each class by the target's own values; labels in the file are text."""
    if isinstance(asked, str):
        return asked
    known = {said(value): value for value in sorted(target.unique().tolist())}
    unknown = [label for label in asked if said(label) not in known]
    if unknown:
        shown = ", ".join(list(known)[:_SHOWN])
        raise ConfigError(
            f"'class_weight' names {', '.join(unknown)}, which '{target.name}' never is", hint=f"its classes: {shown}"
        )
    for label, weight in asked.items():
        if not 0 < weight < float("inf"):
            raise ConfigError(f"the weight of class '{label}' is {weight:g}", hint="a class weighs more than 0")
    return {known[said(label)]: float(weight) for label, weight in asked.items()}


def row_weights(weights: str | Mapping[Any, float], target: pd.Series[Any]) -> Array:
    """Give the weight that each row has by its class (n); balanced: n / (classes x rows of the class).

    The formula is scikit-learn's (`sklearn.utils.class_weight.compute_sample_weight`).
    """
    from sklearn.utils.class_weight import compute_sample_weight

    given = weights if isinstance(weights, str) else {value: weights.get(value, 1.0) for value in target.unique()}
    return compute_sample_weight(given, target)  # type: ignore[no-any-return]


def said(value: Any) -> str:
    """Give a label as a workflow file would write it: true for True, 1 for 1.0."""
    if isinstance(value, bool) or str(value) in {"True", "False"}:
        return str(value).lower()
    text = str(value)
    return text.removesuffix(".0") if text.removesuffix(".0").lstrip("-").isdigit() else text
