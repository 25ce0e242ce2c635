"""Columns cut into a few parts: numbers and times at quantiles, everything else by value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.sql import require_columns

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

PARTS = 10
"""Quantile bins of a number."""
_QUANTILE_ROWS = 100_000
_MOST_VALUES = 100
_IDENTIFIER_SHARE = 0.5
_TEXT = 60


@dataclass(frozen=True, slots=True)
class Cut:
    """A column as codes (n small integers); a condition is a range of codes, `low` to `high`, both included.

    `ordered` codes below `cells` may be joined to longer ranges; a missing value has the last code, on its own.
    """

    name: str
    codes: Array
    cells: int
    low: Array
    high: Array
    text: Callable[[int, int], str]

    def where(self, low: int, high: int) -> Array:
        """Give the rows (n booleans) whose code is in a range."""
        return (self.codes >= low) & (self.codes <= high)


def cut_columns(frame: pd.DataFrame, names: list[str], minimum_rows: int) -> tuple[list[Cut], dict[str, str]]:
    """Cut columns; gives the cuts, and why other columns could not be cut."""
    require_columns(frame.columns, names, "the evaluation data")
    cuts: list[Cut] = []
    skipped: dict[str, str] = {}
    for name in names:
        try:
            cut = _cut(frame[name], minimum_rows)
        except (TypeError, ValueError) as err:
            skipped[name] = " ".join(str(err).split())[:200]
            continue
        if len(cut.low):
            cuts.append(cut)
        else:
            skipped[name] = "it has one value only"
    return cuts, skipped


def _cut(column: pd.Series[Any], minimum_rows: int) -> Cut:
    import pandas.api.types as kinds

    parts = max(1, min(PARTS, len(column) // minimum_rows))
    if kinds.is_bool_dtype(column) or not (kinds.is_numeric_dtype(column) or kinds.is_datetime64_any_dtype(column)):
        return _cut_values(column, minimum_rows)
    if kinds.is_datetime64_any_dtype(column):
        return _cut_times(column, parts)
    return _cut_numbers(column, parts)


def _cut_numbers(column: pd.Series[Any], parts: int) -> Cut:
    import numpy as np

    values = column.to_numpy(dtype="float64", na_value=np.nan)
    seen = values[:: max(1, len(values) // _QUANTILE_ROWS)]
    seen = seen[np.isfinite(seen)]
    few = np.unique(seen)
    edges = few[:-1]
    if len(few) > parts:
        inner = np.quantile(seen, np.arange(1, parts) / parts, method="inverted_cdf")
        edges = np.unique(np.round(inner, _decimals(few)))
        edges = edges[(edges >= few[0]) & (edges < few[-1])]

    def text(low: int, high: int) -> str:
        inside = values[(codes >= low) & (codes <= high)]
        if len(inside) and inside.min() == inside.max():
            return f"{column.name} = {inside[0]:.10g}"
        return _between(str(column.name), low, high, [f"{edge:.10g}" for edge in edges])

    codes = _codes(values, edges, np.isnan(values))
    return _ordered(column, codes, len(edges) + 1, text)


def _decimals(few: Array) -> int:
    """Give so many decimals that an edge keeps three digits of the column's spread: texts stay short and true."""
    import numpy as np

    low, high = np.quantile(few, [0.05, 0.95])
    spread = float(high - low) or abs(float(few[-1] - few[0])) or 1.0
    return 2 - math.floor(math.log10(spread))


def _cut_times(column: pd.Series[Any], parts: int) -> Cut:
    import numpy as np

    plain = column.dt.tz_convert(None) if column.dt.tz is not None else column
    values = plain.to_numpy("datetime64[s]")
    missing = np.isnat(values)
    seconds = values.astype("int64")
    seen = seconds[~missing]
    inner = np.quantile(seen, np.arange(1, parts) / parts, method="inverted_cdf") if len(seen) else seen[:0]
    edges = np.unique(inner)
    edges = edges[edges < seen.max()] if len(seen) else edges
    said = [str(edge.astype("datetime64[s]")).replace("T", " ").removesuffix(":00") for edge in edges]

    def text(low: int, high: int) -> str:
        return _between(str(column.name), low, high, said)

    return _ordered(column, _codes(seconds, edges, missing), len(edges) + 1, text)


def _codes(values: Array, edges: Array, missing: Array) -> Array:
    """Count the edges below each value: few comparisons of a whole column are faster than a search for each row."""
    import numpy as np

    codes = np.zeros(len(values), dtype=np.uint8)
    for edge in edges:
        codes += values > edge
    codes[missing] = len(edges) + 1
    return codes


def _ordered(column: pd.Series[Any], codes: Array, cells: int, text: Callable[[int, int], str]) -> Cut:
    import numpy as np

    low, high = np.triu_indices(cells)
    whole = (low == 0) & (high == cells - 1)
    missing = bool((codes == cells).any() and (codes < cells).any())
    if missing:
        low, high = np.append(low, cells), np.append(high, cells)
    else:
        low, high = low[~whole], high[~whole]

    def said(first: int, last: int) -> str:
        if first == cells:
            return f"{column.name} is missing"
        return f"{column.name} is not missing" if (first, last) == (0, cells - 1) else text(first, last)

    return Cut(str(column.name), codes, cells, low, high, said)


def _between(name: str, low: int, high: int, edges: list[str]) -> str:
    if low == 0:
        return f"{name} <= {edges[high]}"
    if high == len(edges):
        return f"{name} > {edges[low - 1]}"
    return f"{edges[low - 1]} < {name} <= {edges[high]}"


def _cut_values(column: pd.Series[Any], minimum_rows: int) -> Cut:
    """Cut by value: the frequent ones each, the rare ones together, missing as its own."""
    import numpy as np
    import pandas as pd

    some = column.iloc[:: max(1, len(column) // _QUANTILE_ROWS)].dropna()
    if len(some) > 2 * _MOST_VALUES and some.nunique() > _IDENTIFIER_SHARE * len(some):
        raise ValueError("nearly every row has a value of its own")
    found, values = pd.factorize(column)
    counts = np.bincount(found[found >= 0], minlength=len(values))
    names = [str(value) for value in values]
    order = sorted(range(len(values)), key=lambda place: (-int(counts[place]), names[place]))
    frequent = [place for place in order[:_MOST_VALUES] if counts[place] >= minimum_rows]
    rare = len(values) - len(frequent)
    if rare == 1:
        frequent, rare = order[: len(frequent) + 1], 0
    recoded = np.full(len(values) + 1, len(frequent), dtype=np.uint8)  # the last stands for missing: found is -1
    recoded[frequent] = np.arange(len(frequent), dtype=np.uint8)
    cells = len(frequent) + bool(rare)
    recoded[-1] = cells
    parts = np.arange(cells + bool((found < 0).any()))
    parts = parts if len(parts) > 1 else parts[:0]

    def text(low: int, _: int) -> str:
        if low < len(frequent):
            return f"{column.name} = {names[frequent[low]][:_TEXT]}"
        return f"{column.name} is missing" if low == cells else f"{column.name} is one of {rare} rare values"

    return Cut(str(column.name), recoded[found], cells, parts, parts, text)
