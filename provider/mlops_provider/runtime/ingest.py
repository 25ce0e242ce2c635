"""Phase `ingest`: read data from outside into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext
from mlops_provider.runtime.files import SQL_TYPES, file_relation
from mlops_provider.runtime.sql import columns_of, identifier, require_columns, said
from mlops_provider.runtime.table import connect, write_dataset

if TYPE_CHECKING:
    import duckdb

    from mlops_dag_factory.spec.data import IngestSpec

PREDICTIONS = "predictions"
SKLEARN = "sklearn:"


def run(config: IngestSpec, inputs: Inputs, context: RunContext) -> Outcome:  # noqa: ARG001 (ingest has no inputs)
    """Read every source, join them by column name, type, deduplicate and publish."""
    import duckdb

    sources = [config.source] if isinstance(config.source, str) else config.source
    store = context.store()
    with store.scratch() as spill, connect(spill) as connection:
        found = [_relation(connection, source, config, context) for source in sources]
        parts = [part for part in found if part]
        if not parts:
            raise DataError(f"{', '.join(sources)} gave no data at all")
        query = " UNION ALL BY NAME ".join(f"SELECT * FROM {part}" for part in parts)
        columns = columns_of(connection, query)
        for wanted in (config.columns, config.keys, [config.timestamp] if config.timestamp else []):
            require_columns(columns, wanted, f"source {', '.join(sources)}")
        query = _typed(query, columns, config)
        lineage = {"sources": sources, "identity": context.identity}
        empty = f"source {', '.join(sources)} has no rows"
        try:
            ref = write_dataset(store, context.workflow, connection, query, lineage=lineage, empty=empty)
        except duckdb.ConversionException as err:
            raise DataError(
                f"a value of {', '.join(sources)} does not fit its type: {said(err)}",
                hint="mend it, or give the column another type under 'columns'",
            ) from err
        except duckdb.InvalidInputException as err:
            raise DataError(f"{', '.join(sources)} cannot be read: {said(err)}") from err
    summary = f"{ref.rows:,} rows, {len(columns)} columns from {', '.join(f'`{source}`' for source in sources)}."
    return Outcome(outputs={"data": ref}, metrics={"rows": ref.rows, "columns": len(columns)}, summary=summary)


def _relation(
    connection: duckdb.DuckDBPyConnection, source: str, config: IngestSpec, context: RunContext
) -> str | None:
    """Give the SQL that reads a source; None when there is nothing yet (predictions only)."""
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
    return file_relation(connection, context.locate(source), config)


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
    typed = f"SELECT {', '.join(names)} FROM ({query})"
    if not config.deduplicate:
        return typed
    if not config.keys:
        return f"SELECT DISTINCT * FROM ({typed}) ORDER BY ALL"
    keys = ", ".join(identifier(key) for key in config.keys)
    latest = f"{identifier(config.timestamp)} DESC, " if config.timestamp else ""
    return (
        f"SELECT * EXCLUDE (mlops_row) FROM (SELECT *, row_number() OVER () AS mlops_row FROM ({typed})) "
        f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {latest}mlops_row DESC) = 1 ORDER BY mlops_row"
    )
