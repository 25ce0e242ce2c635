"""Groups of a sensitive column: its values, bins of its numbers, and the rows that have none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.preprocess import column_type

if TYPE_CHECKING:
    import pandas as pd

MISSING = "(missing)"
BINS = 4
_MOST_NUMBERS = 10
"""Numbers with more different values than these are cut into bins of about equal size."""


def groups_of(column: pd.Series[Any]) -> pd.Categorical:
    """Give the group of each row; the groups are ordered, those without a value are '(missing)' and stand last."""
    import numpy as np
    import pandas as pd

    kind = column_type(column)
    if kind == "timestamp":
        raise DataError(f"the sensitive column '{column.name}' is a timestamp", hint="derive groups with a transform")
    if kind in {"integer", "float"}:
        column = column.astype(float).replace([np.inf, -np.inf], np.nan)
        if column.nunique() > _MOST_NUMBERS:
            names = _binned(column)
        else:
            names = column.map(lambda value: f"{value:.6g}", na_action="ignore")
        order = [str(name) for name in names.iloc[np.argsort(column.to_numpy())].dropna().unique()]
    else:
        names = column.astype("string").astype(object)
        order = sorted(map(str, names.dropna().unique()))
    if not column.isna().any():
        return pd.Categorical(names, categories=order, ordered=True)
    filled = pd.Series(names, index=column.index).astype(object).where(column.notna(), MISSING)
    return pd.Categorical(filled, categories=[*(name for name in order if name != MISSING), MISSING], ordered=True)


def _binned(column: pd.Series[Any]) -> pd.Series[Any]:
    """Cut at the quartiles; each bin is named by the values that it holds."""
    import pandas as pd

    bins = pd.qcut(column, BINS, labels=False, duplicates="drop")
    spans = {number: f"{part.min():.6g} to {part.max():.6g}" for number, part in column.groupby(bins)}
    return bins.map(spans, na_action="ignore")
