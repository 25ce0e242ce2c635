"""How far the columns of one dataset moved from another's: all rows of both, column by column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_provider.runtime.columns.scan import profile_columns
from mlops_provider.runtime.comparison import Comparison, Wanted, compare_columns
from mlops_provider.runtime.evidently_drift import SAMPLE_ROWS, keep_rows
from mlops_provider.runtime.sql import FLOATS, INTEGERS, columns_of, identifier, require_columns
from mlops_provider.runtime.table import connect, scan
from mlops_provider.runtime.view import sampled

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    import duckdb
    import pandas as pd

    from mlops_provider.refs import DatasetRef
    from mlops_provider.runtime.columns.profile import ColumnProfile, Kind
    from mlops_provider.store.store import Store


@dataclass(frozen=True, slots=True)
class DatasetDrift:
    """What was compared, and the profiles of both sides."""

    compared: Comparison
    baseline: Mapping[str, ColumnProfile]
    data: Mapping[str, ColumnProfile]


def score_datasets(
    store: Store,
    baseline: DatasetRef,
    data: DatasetRef,
    *,
    columns: Collection[str] = (),
    threshold: float = 0.1,
) -> DatasetDrift:
    """Score some columns, or all that are no times.

    What is a number on both sides is compared as one; what is not is compared by its values.
    """
    with store.scratch() as spill, connect(spill) as connection:
        before, after = (columns_of(connection, f"SELECT * FROM {scan(store, ref)}") for ref in (baseline, data))
        require_columns(after, columns, "the data")
        require_columns(before, columns, "the baseline")
        kinds = {name: _kind(kind) for name, kind in {**after, **before}.items() if name in columns or not columns}
        first = profile_columns(connection, scan(store, baseline), kinds)
        centres = {name: profile.centre for name, profile in first.items()}
        second = profile_columns(connection, scan(store, data), kinds, centres)
    compared = compare_columns(first, second, kinds, default=Wanted(threshold=threshold))
    return DatasetDrift(compared, first, second)


def keep_samples(store: Store, baseline: DatasetRef, data: DatasetRef, drift: DatasetDrift, file: Path) -> None:
    """Keep a sample of both datasets, from which Evidently's page is made, as a Parquet file."""
    names = [name for name in drift.compared.scores if name in drift.baseline and name in drift.data]
    with connect() as connection:
        before, after = (_sample(connection, store, ref, names) for ref in (baseline, data))
    keep_rows(file.parent, before, after, drift.compared, drift.baseline, drift.data, name=file.name)


def _sample(
    connection: duckdb.DuckDBPyConnection, store: Store, ref: DatasetRef, columns: Collection[str]
) -> pd.DataFrame:
    """Read about as many rows as are drawn, the same ones every time."""
    names = ", ".join(map(identifier, columns)) or "1 AS nothing"
    query = f"SELECT {names} FROM {scan(store, ref, numbered=True)} WHERE {sampled(SAMPLE_ROWS, ref.rows)}"
    frame: pd.DataFrame = connection.sql(query).to_arrow_table().to_pandas()
    return frame


def _kind(kind: str) -> Kind:
    if kind.startswith(("TIME", "DATE")):
        return "time"
    return "number" if kind in INTEGERS | FLOATS else "boolean" if kind == "BOOLEAN" else "category"
