"""Functions over tables: each parameter gets its table in the form that it is annotated with."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Literal

from mlops_provider.exceptions import ConfigError
from mlops_provider.runtime.sql import identifier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import duckdb
    import pandas as pd

RESULT = "mlops_result"
_GIVES = "return a pyarrow.Table or RecordBatchReader, a pandas or a polars frame"


def call_on_tables(
    connection: duckdb.DuckDBPyConnection, function: Callable[..., Any], name: str, tables: Sequence[str]
) -> str:
    """Call a function with views of the connection and give the SQL of what it returns.

    A function whose parameters are named like the tables gets each by name; otherwise its one parameter gets the only
    table, or a map of them. `pandas.DataFrame`, `polars.DataFrame`, `polars.LazyFrame`, `pyarrow.RecordBatchReader`
    (in batches, for what is larger than memory) and `duckdb.DuckDBPyRelation` are given where a parameter is annotated
    so; without an annotation it gets a `pyarrow.Table`.
    """
    parameters = list(inspect.signature(function).parameters.values())
    by_name = {parameter.name: parameter.annotation for parameter in parameters}
    if set(by_name) == set(tables):
        result = function(**{table: _table(connection, table, by_name[table]) for table in tables})
    elif len(tables) == 1:
        asked = parameters[0].annotation if parameters else None
        result = function(_table(connection, tables[0], asked))
    else:
        result = function({table: _table(connection, table, None) for table in tables})
    connection.register(RESULT, _arrow(result, name))
    return f"SELECT * FROM {RESULT}"


def given_as(frame: pd.DataFrame, annotation: Any) -> Any:
    """Give a frame in the form that a parameter is annotated with; a function may change what it gets."""
    import pyarrow as pa

    form = _form(annotation)
    if form == "pandas":
        return frame.copy()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    if form == "reader":
        return table.to_reader()
    if form in {"lazy", "polars"}:
        import polars as pl

        whole = pl.from_arrow(table)
        return whole.lazy() if form == "lazy" else whole  # type: ignore[union-attr]
    return table


def _table(connection: duckdb.DuckDBPyConnection, table: str, annotation: Any) -> Any:
    relation = connection.cursor().sql(f"SELECT * FROM {identifier(table)}")  # a stream stays open meanwhile
    form = _form(annotation)
    if form == "reader":
        return relation.to_arrow_reader()
    if form == "relation":
        return relation
    if form in {"lazy", "polars"}:
        return relation.pl(lazy=form == "lazy")
    return relation.df() if form == "pandas" else relation.to_arrow_table()


def _form(annotation: Any) -> Literal["reader", "relation", "lazy", "polars", "pandas", "arrow"]:
    """Give the form of a table that an annotation means."""
    asked = annotation if isinstance(annotation, str) else f"{getattr(annotation, '__module__', '')}.{annotation}"
    if "RecordBatchReader" in asked:
        return "reader"
    if "DuckDBPyRelation" in asked:
        return "relation"
    if "LazyFrame" in asked:
        return "lazy"
    if "polars" in asked or asked.startswith("pl."):
        return "polars"
    return "pandas" if "DataFrame" in asked else "arrow"


def _arrow(result: Any, name: str) -> Any:
    """Give what a function returned as Arrow data, streamed where it is a stream."""
    import pandas as pd
    import pyarrow as pa

    if isinstance(result, pd.DataFrame):
        return pa.Table.from_pandas(result, preserve_index=False)
    if isinstance(result, pa.Table | pa.RecordBatchReader):
        return result
    if type(result).__name__ == "LazyFrame":
        result = result.collect()
    if type(result).__name__ == "DuckDBPyRelation":
        return result.to_arrow_reader()
    if hasattr(result, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(result)
    raise ConfigError(f"'{name}' returned {type(result).__name__}", hint=_GIVES)
