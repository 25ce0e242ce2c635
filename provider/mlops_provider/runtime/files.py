"""Files as sources: paths, globs and URLs, read by DuckDB as CSV, JSON or Parquet."""

from __future__ import annotations

import csv
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, DataError
from mlops_provider.runtime.sql import columns_of, identifier, literal, said

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from mlops_dag_factory.spec.ingest import IngestSpec

SQL_TYPES = {
    "integer": "BIGINT",
    "float": "DOUBLE",
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMP",
    "date": "DATE",
}
_ENDINGS = {
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
}
_NULLS = "['', 'NA', 'NaN', 'null', 'NULL']"
_EVERY_LINE = "header = true, skip = 0, comment = ''"
"""Otherwise DuckDB leaves out what it takes for remarks and titles."""
_SEPARATORS = ",;|\t"
_LONGEST_HEADER = 1_000_000


def file_relation(connection: duckdb.DuckDBPyConnection, path: str, files: Sequence[str], config: IngestSpec) -> str:
    """Give the SQL that reads some files of a path, glob or URL; DataError names the path and what is wrong with it."""
    import duckdb

    kind = config.format or _ENDINGS.get(PurePosixPath(path).suffix.lower(), "csv")
    filesystem = _filesystem(path)
    if not _is_local(filesystem) and _protocols(filesystem)[0] not in connection.list_filesystems():
        connection.register_filesystem(filesystem)
    listed = f"[{', '.join(literal(file) for file in files)}]"
    options = "union_by_name = true" + (", hive_partitioning = true" if config.partitions else "")
    try:
        if kind == "csv":
            return _csv(connection, listed, options, _first_line(filesystem, files[0]), config)
        if kind == "arrow":
            return _arrow(connection, path, files, filesystem)
        reader = "read_parquet" if kind == "parquet" else "read_json_auto"
        sql = f"{reader}({listed}, {options})"
        columns_of(connection, f"SELECT * FROM {sql}")
    except duckdb.Error as err:
        raise DataError(f"source '{path}' cannot be read as {kind}: {said(err)}") from err
    return sql


def found_files(path: str) -> dict[str, str]:
    """Give the files that a path, glob or URL names, each with a fingerprint: size, and time or tag of its change."""
    filesystem = _filesystem(path)
    found: list[str] = sorted(filesystem.glob(path)) if any(mark in path for mark in "*?[") else [path]
    found = [file for file in found if file == path or not filesystem.isdir(file)]
    if not found or not all(filesystem.exists(file) for file in found):
        raise DataError(f"source '{path}' does not exist", hint="relative paths count from [mlops] data_root")
    if path in found and filesystem.isdir(path):
        raise DataError(f"source '{path}' is a folder", hint="name its files, for example 'folder/*.csv'")
    local = _is_local(filesystem)
    return {file if local else filesystem.unstrip_protocol(file): _fingerprint(filesystem.info(file)) for file in found}


def _fingerprint(info: dict[str, Any]) -> str:
    marks = (info.get(key) for key in ("size", "ETag", "etag", "mtime", "LastModified", "last_modified", "created"))
    return " ".join(str(mark) for mark in marks if mark is not None)


def _is_local(filesystem: Any) -> bool:
    return "file" in _protocols(filesystem)


def _protocols(filesystem: Any) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return protocol if isinstance(protocol, tuple) else (protocol,)


def _arrow(connection: duckdb.DuckDBPyConnection, path: str, files: Sequence[str], filesystem: Any) -> str:
    import pyarrow as pa
    from pyarrow.dataset import dataset

    try:
        table = dataset([filesystem._strip_protocol(file) for file in files], format="ipc", filesystem=filesystem)  # noqa: SLF001 (fsspec's way from a URL to a path)
    except (pa.ArrowInvalid, OSError) as err:
        raise DataError(f"source '{path}' cannot be read as arrow: {err}") from err
    connection.register(path, table)
    return identifier(path)


def _filesystem(path: str) -> Any:
    import fsspec

    try:
        return fsspec.core.url_to_fs(path)[0]
    except (ValueError, ImportError) as err:
        raise ConfigError(
            f"source '{path}' cannot be reached: {err}",
            hint="install airflow-provider-mlops[s3], [gcs] or [azure], or write another URL",
        ) from err


def _csv(connection: duckdb.DuckDBPyConnection, files: str, options: str, header: str, config: IngestSpec) -> str:
    """Give the SQL that reads CSV files, typed where the phase says how."""
    import duckdb

    separator = max(_SEPARATORS, key=header.count)
    names = next(csv.reader([header], delimiter=separator), [])
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        raise DataError(f"the first line names a column twice: {', '.join(twice)}", hint="give each a name of its own")
    options = f"{options}, nullstr = {_NULLS}, {_EVERY_LINE}"
    try:
        columns = columns_of(connection, f"SELECT * FROM read_csv({files}, {options})")
        if len(columns) == 1 and len(names) > 1:
            _refuse_ragged(connection, files, separator, len(names))
    except duckdb.Error:
        _refuse_ragged(connection, files, separator, len(names))
        raise
    kinds = {name: SQL_TYPES[kind] for name, kind in config.columns.items() if name in columns}
    types = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in kinds.items())
    return f"read_csv({files}, {options}{f', types = {{{types}}}' if types else ''})"


def _first_line(filesystem: Any, file: str) -> str:
    with filesystem.open(file, "rt", encoding="utf-8-sig", errors="replace", compression="infer", newline="") as text:
        return str(text.readline(_LONGEST_HEADER)).rstrip("\r\n")


def _refuse_ragged(connection: duckdb.DuckDBPyConnection, files: str, separator: str, width: int) -> None:
    """Raise DuckDB's error for the first line that is longer or shorter than the header.

    Where DuckDB finds no separator that fits all lines, it gives up or takes each line for one value.
    """
    columns = ", ".join(f"{literal(str(number))}: 'VARCHAR'" for number in range(width))
    plain = f"auto_detect = false, header = true, delim = {literal(separator)}, columns = {{{columns}}}"
    connection.execute(f"SELECT max(COLUMNS(*)) FROM read_csv({files}, {plain}, quote = '\"', escape = '\"')")
