"""Phase `ingest`: read data from outside into the store."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext
from mlops_provider.runtime.table import columns_of, connect, identifier, literal, require_columns, write_dataset

if TYPE_CHECKING:
    import duckdb

    from mlops_dag_factory.spec.data import IngestSpec

PREDICTIONS = "predictions"
SKLEARN = "sklearn:"
SQL_TYPES = {
    "integer": "BIGINT",
    "float": "DOUBLE",
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMP",
    "date": "DATE",
}
_NULLS = "['', 'NA', 'NaN', 'null', 'NULL']"


def run(config: IngestSpec, inputs: Inputs, context: RunContext) -> Outcome:  # noqa: ARG001 (ingest has no inputs)
    """Read every source, join them by column name, type, deduplicate and publish."""
    import duckdb

    sources = [config.source] if isinstance(config.source, str) else config.source
    store = context.store()
    with store.scratch() as spill, connect(spill) as connection:
        parts = [part for source in sources if (part := _relation(connection, source, config, context))]
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
            raise DataError(f"a value of {', '.join(sources)} does not fit its type: {_first_line(err)}") from err
        except duckdb.InvalidInputException as err:
            raise DataError(f"{', '.join(sources)} cannot be read: {_first_line(err)}") from err
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
        connection.register("mlops_predictions", table)
        return "mlops_predictions"
    if source.startswith(SKLEARN):
        connection.register("mlops_sklearn", _sklearn_frame(source.removeprefix(SKLEARN)))
        return "mlops_sklearn"
    return _file_relation(connection, context.locate(source), config)


def _file_relation(connection: duckdb.DuckDBPyConnection, path: str, config: IngestSpec) -> str:
    import duckdb
    import fsspec

    filesystem, _ = fsspec.core.url_to_fs(path)
    found = sorted(filesystem.glob(path)) if any(mark in path for mark in "*?[") else [path]
    if not found or not all(filesystem.exists(file) for file in found):
        raise DataError(f"source '{path}' does not exist", hint="relative paths count from [mlops] data_root")
    if "file" not in (filesystem.protocol if isinstance(filesystem.protocol, tuple) else (filesystem.protocol,)):
        connection.register_filesystem(filesystem)
        found = [filesystem.unstrip_protocol(file) for file in found]
    kind = config.format or _format(found[0])
    files = f"[{', '.join(literal(file) for file in found)}]"
    if kind == "parquet":
        sql = f"read_parquet({files}, union_by_name = true)"
    elif kind == "json":
        sql = f"read_json_auto({files}, union_by_name = true)"
    else:
        sql = f"read_csv({files}, union_by_name = true, nullstr = {_NULLS}, header = true{_csv_types(config)})"
    try:
        connection.execute(f"DESCRIBE SELECT * FROM {sql}")
    except duckdb.Error as err:
        raise DataError(f"source '{path}' cannot be read as {kind}: {_first_line(err)}") from err
    return sql


def _csv_types(config: IngestSpec) -> str:
    types = ", ".join(f"{literal(name)}: {literal(SQL_TYPES[kind])}" for name, kind in config.columns.items())
    return f", types = {{{types}}}" if types else ""


def _format(path: str) -> str:
    endings = {".parquet": "parquet", ".pq": "parquet", ".json": "json", ".jsonl": "json", ".ndjson": "json"}
    return endings.get(PurePosixPath(path).suffix.lower(), "csv")


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


def _first_line(err: Exception) -> str:
    return " ".join(str(err).split())[:400]
