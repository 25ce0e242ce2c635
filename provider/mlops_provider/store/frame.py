"""Parquet files as frames in the one form that models take, in training as in every later use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa


def read_parquet(path: Path, columns: Iterable[str] | None = None) -> pd.DataFrame:
    """Read a file, or some of its columns.

    Decimals become floats and dates timestamps; a missing text or boolean is NaN, as in requests to the server.
    """
    import pyarrow.parquet as pq

    wanted = list(columns) if columns is not None else None
    return to_frame(pq.read_table(path, columns=wanted, partitioning=None))


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Give a table in the form of `read_parquet`."""
    table = _plain_types(table)
    frame: pd.DataFrame = table.to_pandas()
    for name in frame.columns:
        if frame[name].dtype == object and table.column(name).null_count:
            frame[name] = _with_nan(frame[name])
    return frame


def _plain_types(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    for index, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            table = table.set_column(index, field.name, table.column(index).cast(pa.float64()))
        elif pa.types.is_date(field.type):
            table = table.set_column(index, field.name, table.column(index).cast(pa.timestamp("us")))
    return table


def _with_nan(column: pd.Series[Any]) -> pd.Series[Any]:
    import numpy as np
    import pandas as pd

    values = column.to_numpy(dtype=object, copy=True)
    values[column.isna().to_numpy()] = np.nan
    return pd.Series(values, index=column.index, dtype=object, name=column.name)


def thinned(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """Give at most so many rows, at equal distances, the first and the last among them."""
    import numpy as np

    if len(frame) <= most:
        return frame
    return frame.iloc[np.linspace(0, len(frame) - 1, most).astype(int)]
