"""The labels that have arrived: one true outcome per predicted row; of several the last counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.sql import columns_of, identifier, literal

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

SQL_TYPES = {
    "float": "DOUBLE",
    "integer": "BIGINT",
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMP",
}
_PARQUET = (".parquet", ".pq")
_ENDINGS = (".csv", *_PARQUET)
# A file that is being written ends in the middle of a line: what is whole of it is read, the rest on the next check.
_CSV_OPTIONS = "all_varchar = true, header = true, null_padding = true, ignore_errors = true"


class Labels(Protocol):
    """Where labels are: the fields of the workflow file's `labels`."""

    @property
    def source(self) -> str:
        """Path or URL of the files."""
        ...

    @property
    def key(self) -> str:
        """Column with the request id."""
        ...

    @property
    def column(self) -> str:
        """Column with the outcome; empty: named like the target."""
        ...


def arrived_labels(
    connection: duckdb.DuckDBPyConnection,
    labels: Labels,
    *,
    target: str,
    target_type: str,
    locate: Callable[[str], str],
) -> tuple[str, list[str]]:
    """Give the SQL of the labels (label_key, label_row, truth), '' when there are none, and the unreadable files.

    Of several labels for one row the last counts: the last file by path, in a file the last line. Labels that are
    empty or do not fit the target's type count as not arrived. Without a column `row` a label is that of row 0.
    """
    files, unreadable = _readable(connection, _label_files(connection, locate(labels.source)))
    if not files:
        return "", unreadable
    source = f"({_union(files)})"
    columns = columns_of(connection, f"SELECT * FROM {source}")
    column = labels.column or target
    missing = [name for name in (labels.key, column) if name not in columns]
    if missing:
        raise DataError(
            f"the labels in {labels.source} have no column {', '.join(missing)}",
            hint=f"they have: {', '.join(name for name in columns if name != 'filename')}",
        )
    truth = f"TRY_CAST({identifier(column)} AS {SQL_TYPES[target_type]})"
    fits = "isfinite(truth)" if target_type == "float" else "truth IS NOT NULL"
    row = 'CASE WHEN "row" IS NULL THEN 0 ELSE TRY_CAST("row" AS INTEGER) END' if "row" in columns else "0"
    numbered = (
        f"SELECT {identifier(labels.key)}::VARCHAR AS label_key, {row} AS label_row, {truth} AS truth, "
        f"filename AS label_file, row_number() OVER () AS label_place FROM {source}"
    )
    last = "row_number() OVER (PARTITION BY label_key, label_row ORDER BY label_file DESC, label_place DESC) = 1"
    return f"SELECT label_key, label_row, truth FROM ({numbered}) WHERE {fits} QUALIFY {last}", unreadable


def _label_files(connection: duckdb.DuckDBPyConnection, path: str) -> list[str]:
    """Give the label files that are not empty: of a folder, a glob or a single file; none yet is fine."""
    import fsspec

    filesystem: Any
    filesystem, root = fsspec.core.url_to_fs(path)
    filesystem.invalidate_cache()
    if any(mark in root for mark in "*?["):
        found = filesystem.glob(root, detail=True)
    elif not filesystem.exists(root):
        return []
    elif filesystem.isdir(root):
        entries = {entry["name"]: entry for entry in filesystem.ls(root, detail=True)}
        found = {name: entry for name, entry in entries.items() if name.endswith(_ENDINGS)}
    else:
        found = {root: filesystem.info(root)}
    names = sorted(name for name, entry in found.items() if entry["type"] == "file" and entry["size"])
    protocols = filesystem.protocol if isinstance(filesystem.protocol, tuple) else (filesystem.protocol,)
    if "file" in protocols:
        return names
    connection.register_filesystem(filesystem)
    return [filesystem.unstrip_protocol(name) for name in names]


def _readable(connection: duckdb.DuckDBPyConnection, files: list[str]) -> tuple[list[str], list[str]]:
    """Part the files into those that can be read and those that cannot."""
    import duckdb

    def opens(some: list[str]) -> bool:
        try:
            columns_of(connection, _union(some))
        except duckdb.Error:
            return False
        return True

    if not files or opens(files):
        return files, []
    good = [file for file in files if opens([file])]
    return good, [file for file in files if file not in good]


def _union(files: list[str]) -> str:
    """Give the SQL that reads CSV and Parquet files together, by column name."""
    parquet = [file for file in files if file.endswith(_PARQUET)]
    csv = [file for file in files if not file.endswith(_PARQUET)]
    common = "union_by_name = true, filename = true"
    parts = [f"SELECT * FROM read_parquet({_list(parquet)}, {common})"] if parquet else []
    parts += [f"SELECT * FROM read_csv({_list(csv)}, {common}, {_CSV_OPTIONS})"] if csv else []
    return " UNION ALL BY NAME ".join(parts)


def _list(files: list[str]) -> str:
    return f"[{', '.join(map(literal, files))}]"
