"""How far the columns of one dataset moved from another's: bounded samples of both, scored column by column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.runtime.comparison import Comparable, compare_frames
from mlops_provider.runtime.drift import SAMPLE_ROWS, Compared, DriftScores, score_drift
from mlops_provider.runtime.sql import FLOATS, INTEGERS, columns_of, identifier, require_columns
from mlops_provider.runtime.table import scan
from mlops_provider.runtime.view import sampled

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import duckdb
    import pandas as pd

    from mlops_provider.refs import DatasetRef
    from mlops_provider.store.store import Store


def score_datasets(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    baseline: DatasetRef,
    data: DatasetRef,
    page: Path,
    *,
    columns: Collection[str] = (),
    threshold: float = 0.1,
) -> tuple[Comparable, DriftScores]:
    """Score some columns, or all that are no times, and write the page with the plots."""
    before, after = (columns_of(connection, f"SELECT * FROM {scan(store, ref)}") for ref in (baseline, data))
    require_columns(after, columns, "the data")
    require_columns(before, columns, "the baseline")
    kinds = {
        name: "float" if kind in INTEGERS | FLOATS else "string"
        for name, kind in {**before, **after}.items()
        if (name in columns or not columns) and not kind.startswith(("TIME", "DATE"))
    }
    sides = (
        _sample(connection, store, baseline, kinds.keys() & before.keys()),
        _sample(connection, store, data, kinds.keys() & after.keys()),
    )
    compared = compare_frames(kinds, *sides)
    scored = {
        name: Compared(compared.baseline[name], compared.window[name], name in compared.categories, threshold)
        for name in (*compared.numbers, *compared.categories)
    }
    return compared, score_drift(scored, page)


def _sample(
    connection: duckdb.DuckDBPyConnection, store: Store, ref: DatasetRef, columns: Collection[str]
) -> pd.DataFrame:
    """Read about as many rows as are scored, the same ones every time."""
    names = ", ".join(map(identifier, sorted(columns))) or "1 AS nothing"
    query = f"SELECT {names} FROM {scan(store, ref, numbered=True)} WHERE {sampled(SAMPLE_ROWS, ref.rows)}"
    frame: pd.DataFrame = connection.sql(query).to_arrow_table().to_pandas()
    return frame
