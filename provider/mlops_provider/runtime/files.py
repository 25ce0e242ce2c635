"""Files as sources: paths, globs and URLs, read by DuckDB as CSV, JSON or Parquet."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, DataError
from mlops_provider.runtime.sql import columns_of, literal, said

if TYPE_CHECKING:
    import duckdb

    from mlops_dag_factory.spec.data import IngestSpec

SQL_TYPES = {
    "integer": "BIGINT",
    "float": "DOUBLE",
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMP",
    "date": "DATE",
}
_ENDINGS = {".parquet": "parquet", ".pq": "parquet", ".json": "json", ".jsonl": "json", ".ndjson": "json"}
_NULLS = "['', 'NA', 'NaN', 'null', 'NULL']"
_EVERY_LINE = "header = true, skip = 0, comment = ''"
"""Otherwise DuckDB leaves out what it takes for remarks and titles."""
_SEPARATORS = ",;|\t"


def file_relation(connection: duckdb.DuckDBPyConnection, path: str, config: IngestSpec) -> str:
    """Give the SQL that reads a path, glob or URL; DataError names the path and what is wrong with it."""
    import duckdb

    files = f"[{', '.join(literal(file) for file in _found(connection, path))}]"
    kind = config.format or _ENDINGS.get(PurePosixPath(path).suffix.lower(), "csv")
    try:
        if kind == "csv":
            return _csv(connection, files, config)
        reader = "read_parquet" if kind == "parquet" else "read_json_auto"
        sql = f"{reader}({files}, union_by_name = true)"
        columns_of(connection, f"SELECT * FROM {sql}")
    except duckdb.Error as err:
        raise DataError(f"source '{path}' cannot be read as {kind}: {said(err)}") from err
    return sql


def _found(connection: duckdb.DuckDBPyConnection, path: str) -> list[str]:
    filesystem = _filesystem(path)
    found: list[str] = sorted(filesystem.glob(path)) if any(mark in path for mark in "*?[") else [path]
    if not found or not all(filesystem.exists(file) for file in found):
        raise DataError(f"source '{path}' does not exist", hint="relative paths count from [mlops] data_root")
    if path in found and filesystem.isdir(path):
        raise DataError(f"source '{path}' is a folder", hint="name its files, for example 'folder/*.csv'")
    protocols = filesystem.protocol if isinstance(filesystem.protocol, tuple) else (filesystem.protocol,)
    if "file" not in protocols:
        connection.register_filesystem(filesystem)
        found = [filesystem.unstrip_protocol(file) for file in found]
    return found


def _filesystem(path: str) -> Any:
    import fsspec

    try:
        return fsspec.core.url_to_fs(path)[0]
    except (ValueError, ImportError) as err:
        raise ConfigError(
            f"source '{path}' cannot be reached: {err}",
            hint="install airflow-provider-mlops[s3], [gcs] or [azure], or write another URL",
        ) from err


def _csv(connection: duckdb.DuckDBPyConnection, files: str, config: IngestSpec) -> str:
    """Give the SQL that reads CSV files, typed where the phase says how."""
    options = f"union_by_name = true, nullstr = {_NULLS}, {_EVERY_LINE}"
    columns = columns_of(connection, f"SELECT * FROM read_csv({files}, {options})")
    if len(columns) == 1:
        _refuse_ragged(connection, files, next(iter(columns)))
    kinds = {name: SQL_TYPES[kind] for name, kind in config.columns.items() if name in columns}
    types = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in kinds.items())
    return f"read_csv({files}, {options}{f', types = {{{types}}}' if types else ''})"


def _refuse_ragged(connection: duckdb.DuckDBPyConnection, files: str, header: str) -> None:
    """Raise DuckDB's error for the first line that is longer or shorter than the header.

    Where DuckDB finds no separator that fits all lines, it takes each line for one value and the header for one name.
    """
    separator = next((mark for mark in _SEPARATORS if mark in header), None)
    if separator is None:
        return
    import duckdb

    try:
        columns_of(connection, f"SELECT * FROM read_csv({files}, {_EVERY_LINE}, delim = {literal(separator)})")
    except duckdb.Error:
        columns = ", ".join(f"{literal(str(number))}: 'VARCHAR'" for number in range(header.count(separator) + 1))
        plain = f"auto_detect = false, header = true, delim = {literal(separator)}, columns = {{{columns}}}"
        connection.execute(f"SELECT max(COLUMNS(*)) FROM read_csv({files}, {plain}, quote = '\"', escape = '\"')")
        raise
