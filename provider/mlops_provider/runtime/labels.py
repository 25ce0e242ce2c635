"""The labels that have arrived: one true outcome per predicted row; of several the last counts.

By key, a label names the request that it is of. By time, it is that of the nearest prediction of its entity before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.sql import columns_of, identifier, literal

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    import duckdb

    from mlops_provider.store.models import Signature

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
    def by(self) -> str:
        """How labels and predictions find each other: key or time."""
        ...

    @property
    def key(self) -> str:
        """Column with the request id."""
        ...

    @property
    def column(self) -> str:
        """Column with the outcome; empty: named like the target."""
        ...

    @property
    def timestamp(self) -> str:
        """By time: column that says when the outcome happened."""
        ...

    @property
    def entity(self) -> str:
        """By time: column that says what it is about; empty: there is one entity."""
        ...

    @property
    def tolerance(self) -> timedelta:
        """By time: how long before its outcome a prediction may be."""
        ...


def truth_type(signature: Signature) -> str:
    """Give DuckDB's type of what a model answers."""
    kind = SQL_TYPES[signature.answer_type]
    return f"{kind}[]" if signature.task == "multilabel" else kind


def arrived_labels(
    connection: duckdb.DuckDBPyConnection,
    labels: Labels,
    *,
    signature: Signature,
    locate: Callable[[str], str],
    predictions: str,
) -> tuple[str, list[str]]:
    """Give the SQL of the labels (label_key, label_row, truth), '' when there are none, and the unreadable files.

    `predictions` is the SQL of the rows that labels may be of. Of several labels for one row the last counts: the last
    file by path, in a file the last line. Labels that are empty or do not fit the target's type count as not arrived.
    Without a column `row` a label is that of row 0.
    """
    files, unreadable = _readable(connection, _label_files(connection, locate(labels.source)))
    if not files:
        return "", unreadable
    source = f"({_union(files)})"
    columns = columns_of(connection, f"SELECT * FROM {source}")
    outcomes = [labels.column] if labels.column else signature.targets()
    by_time = labels.by == "time"
    keys = [labels.timestamp, labels.entity] if by_time else [labels.key]
    if missing := [name for name in (*keys, *outcomes) if name and name not in columns]:
        raise DataError(
            f"the labels in {labels.source} have no column {', '.join(missing)}",
            hint=f"they have: {', '.join(name for name in columns if name != 'filename')}",
        )
    truth, fits = _truth(signature, outcomes)
    place = "filename AS label_file, row_number() OVER () AS label_place"
    if by_time:
        entity = f"{identifier(labels.entity)}::VARCHAR" if labels.entity else "''"
        moment = f"TRY_CAST({identifier(labels.timestamp)} AS TIMESTAMPTZ)"
        numbered = f"SELECT {entity} AS entity, {moment} AS moment, {truth} AS truth, {place} FROM {source}"
        known = f"SELECT entity, moment, truth FROM ({numbered}) WHERE {fits} {_last('entity, moment')}"
        return _by_time(connection, labels, known, predictions), unreadable
    row = 'CASE WHEN "row" IS NULL THEN 0 ELSE TRY_CAST("row" AS INTEGER) END' if "row" in columns else "0"
    numbered = (
        f"SELECT {identifier(labels.key)}::VARCHAR AS label_key, {row} AS label_row, {truth} AS truth, "
        f"{place} FROM {source}"
    )
    last = _last("label_key, label_row")
    return f"SELECT label_key, label_row, truth FROM ({numbered}) WHERE {fits} {last}", unreadable


def _truth(signature: Signature, outcomes: list[str]) -> tuple[str, str]:
    """Give the SQL of the outcome, and of 'it has arrived'."""
    kind = SQL_TYPES[signature.answer_type]
    cast = [f"TRY_CAST({identifier(name)} AS {kind})" for name in outcomes]
    if signature.task == "multilabel":
        return f"[{', '.join(cast)}]", "len(list_filter(truth, lambda each: each IS NULL)) = 0"
    return cast[0], "isfinite(truth)" if signature.answer_type == "float" else "truth IS NOT NULL"


def _last(key: str) -> str:
    return f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY label_file DESC, label_place DESC) = 1"


def _by_time(connection: duckdb.DuckDBPyConnection, labels: Labels, known: str, predictions: str) -> str:
    """Give each outcome to the nearest prediction of its entity before it; of several outcomes the first counts."""
    entity = "''"
    if labels.entity:
        feature = f"x_{labels.entity}"
        present = columns_of(connection, predictions)
        entity = f"{identifier(feature if feature in present else 'entity_id')}::VARCHAR"
    asked = f"SELECT request_id, row, ts, {entity} AS entity FROM ({predictions})"
    nearest = (
        f"SELECT l.entity, p.ts, min_by(l.truth, l.moment) AS truth FROM ({known}) l "
        f"ASOF JOIN (SELECT DISTINCT entity, ts FROM ({asked})) p ON l.entity = p.entity AND l.moment >= p.ts "
        f"WHERE l.moment <= p.ts + INTERVAL {labels.tolerance.total_seconds()} SECOND GROUP BY l.entity, p.ts"
    )
    return (
        f"SELECT a.request_id AS label_key, a.row AS label_row, n.truth FROM ({asked}) a "
        f"JOIN ({nearest}) n ON a.entity = n.entity AND a.ts = n.ts"
    )


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
    if protocols[0] not in connection.list_filesystems():
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
