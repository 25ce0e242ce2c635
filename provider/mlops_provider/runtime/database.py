"""Databases as sources: a query through SQLAlchemy, read in batches on the server's side, spilled as Parquet."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, DataError, SourceUnavailableError
from mlops_provider.runtime.sql import closed, literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

    from mlops_dag_factory.spec.ingest import IngestSpec
    from mlops_provider.runtime.contract import RunContext

BATCH_ROWS = 50_000


def query_relation(config: IngestSpec, context: RunContext, spill: Path, *, since: str = "") -> str:
    """Run the query of an ingest and give the SQL that reads its rows; `since` is evaluated by the database."""
    assert config.sql is not None
    assert config.conn_id is not None
    url = context.connections.get(config.conn_id)
    if url is None:
        raise ConfigError(f"there is no connection '{config.conn_id}' here", hint="add it to Airflow's connections")
    query = closed(config.sql)
    if since:
        query = f"SELECT * FROM ({query}) AS asked WHERE {since}"
    files = _spill(url, query, spill, config.conn_id)
    if not files:
        raise DataError(f"the query to {config.conn_id} has no columns")
    return f"read_parquet([{', '.join(literal(str(file)) for file in files)}], union_by_name = true)"


def _spill(url: str, query: str, spill: Path, name: str) -> list[Path]:
    """Write the rows as Parquet files, batch by batch; a database that does not answer may do so later."""
    import pyarrow.parquet as pq
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

    files: list[Path] = []
    seen: set[str] = set()
    try:
        engine = create_engine(url)
        options = {"stream_results": True, "max_row_buffer": BATCH_ROWS, "no_parameters": True}  # '%' stays as it is
        with engine.connect().execution_options(**options) as connection:
            result = connection.exec_driver_sql(query)
            names = list(result.keys())
            if len(set(names)) < len(names):
                raise DataError(f"the query to {name} gives two columns of one name", hint="name them with AS")
            for rows in chain(result.partitions(BATCH_ROWS), [[]]):
                if not rows and files and seen.issuperset(names):
                    break
                table = _table(names, rows, missing=set(names) - seen if not rows else set())
                seen |= set(table.column_names)
                files.append(spill / f"query-{len(files):05d}.parquet")
                pq.write_table(table, files[-1])
        engine.dispose()
    except OperationalError as err:
        raise SourceUnavailableError(f"the database {name} did not answer: {_said(err)}") from None
    except DBAPIError as err:
        raise ConfigError(f"the query to {name} failed: {_said(err)}") from None
    except SQLAlchemyError as err:
        raise ConfigError(f"the connection {name} cannot be used: {_said(err)}") from None
    return files


def _table(names: Sequence[str], rows: Sequence[Any], missing: set[str]) -> pa.Table:
    """Give rows as a table; a column without any value is left out, unless it is in `missing`: then it is text."""
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for index, name in enumerate(names):
        column = _column([row[index] for row in rows])
        if not pa.types.is_null(column.type):
            columns[name] = column
        elif name in missing:
            columns[name] = column.cast(pa.string())
    return pa.table(columns)


def _column(values: list[Any]) -> pa.Array:
    import pyarrow as pa

    if any(isinstance(value, dict | list) for value in values):
        return pa.array([None if value is None else json.dumps(value, default=str) for value in values])
    try:
        column = pa.array(values)
        if not isinstance(column.type, pa.BaseExtensionType):  # such as UUIDs, which models know as text
            return column
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        pass
    return pa.array([None if value is None else str(value) for value in values])


def _said(err: Exception) -> str:
    """Give the database's own sentence, without the query and its address."""
    original = getattr(err, "orig", None) or err
    return " ".join(str(original).split("\n")[0].split())[:400]
