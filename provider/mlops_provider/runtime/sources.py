"""What an ingest reads, as one SQL query: files, scikit-learn's sets, predictions, databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.files import SQL_TYPES, file_relation, found_files
from mlops_provider.runtime.sql import columns_of, identifier, require_columns

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import duckdb

    from mlops_dag_factory.spec.ingest import IngestSpec
    from mlops_provider.runtime.contract import RunContext

PREDICTIONS = "predictions"
SKLEARN = "sklearn:"


def read_sources(
    connection: duckdb.DuckDBPyConnection,
    config: IngestSpec,
    context: RunContext,
    spill: Path,
    *,
    since: str = "",
    files: Collection[str] | None = None,
) -> str:
    """Give the SQL of all rows, with the wanted types; DataError says what is wrong.

    `since` is a condition on the typed rows, which a database evaluates itself; of files only those in `files` count.
    """
    if config.sql is not None:
        from mlops_provider.runtime.database import query_relation

        parts = [query_relation(config, context, spill, since=since)]
    else:
        found = [_relation(connection, source, config, context, files) for source in config.sources()]
        parts = [part for part in found if part]
    named = said_sources(config)
    if not parts:
        raise DataError(f"{named} gave no data at all")
    query = " UNION ALL BY NAME ".join(f"SELECT * FROM {part}" for part in parts)
    columns = columns_of(connection, query)
    watermark = config.incremental.watermark if config.incremental else None
    for wanted in (config.columns, config.keys, [config.timestamp or ""], [watermark or ""]):
        require_columns(columns, [name for name in wanted if name], f"source {named}")
    return _typed(query, columns, config) + (f" WHERE {since}" if since and config.sql is None else "")


def said_sources(config: IngestSpec) -> str:
    """Give the sources as they stand in a sentence."""
    return ", ".join(config.sources()) or f"the query to {config.conn_id}"


def files_of(config: IngestSpec, context: RunContext) -> dict[str, str]:
    """Give the files that the sources name now, each with a fingerprint that changes when the file does."""
    found: dict[str, str] = {}
    for source in config.sources():
        if source != PREDICTIONS and not source.startswith(SKLEARN):
            found |= found_files(context.locate(source))
    return found


def deduplicated(query: str, config: IngestSpec) -> str:
    """Give the SQL of the last row of each key, or of each distinct row, in the order of the query."""
    if not config.keys:
        return f"SELECT DISTINCT * FROM ({query}) ORDER BY ALL"
    keys = ", ".join(identifier(key) for key in config.keys)
    latest = f"{identifier(config.timestamp)} DESC, " if config.timestamp else ""
    return (
        f"SELECT * EXCLUDE (mlops_row) FROM (SELECT *, row_number() OVER () AS mlops_row FROM ({query})) "
        f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {latest}mlops_row DESC) = 1 ORDER BY mlops_row"
    )


def _relation(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    config: IngestSpec,
    context: RunContext,
    files: Collection[str] | None,
) -> str | None:
    """Give the SQL that reads a source; None when there is nothing yet."""
    if source == PREDICTIONS:
        from mlops_provider.runtime.predictions import labelled

        table = labelled(context.store(), context.workflow, labels=config.labels, locate=context.locate)
        if table is None or table.num_rows == 0:
            return None
        connection.register(source, table)
        return identifier(source)
    if source.startswith(SKLEARN):
        connection.register(source, _sklearn_frame(source.removeprefix(SKLEARN)))
        return identifier(source)
    path = context.locate(source)
    found = list(found_files(path))
    wanted = found if files is None else [file for file in found if file in files]
    return file_relation(connection, path, wanted, config) if wanted else None


def _sklearn_frame(name: str) -> Any:
    import sklearn.datasets

    loader = getattr(sklearn.datasets, f"load_{name}", None)
    known = sorted(
        entry.removeprefix("load_")
        for entry in ("load_breast_cancer", "load_diabetes", "load_digits", "load_iris", "load_linnerud", "load_wine")
    )
    if loader is None or name not in known:
        raise DataError(f"scikit-learn ships no data set '{name}'", hint=f"it ships: {', '.join(known)}")
    return loader(as_frame=True).frame


def _typed(query: str, columns: dict[str, str], config: IngestSpec) -> str:
    names = [
        f"CAST({identifier(name)} AS {SQL_TYPES[config.columns[name]]}) AS {identifier(name)}"
        if name in config.columns
        else identifier(name)
        for name in columns
    ]
    return f"SELECT * FROM (SELECT {', '.join(names)} FROM ({query}))"
