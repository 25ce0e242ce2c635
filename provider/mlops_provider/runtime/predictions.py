"""The prediction log as tables: windows of it, joined with the labels that have arrived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.table import columns_of, connect, identifier, literal
from mlops_provider.store.models import Signature
from mlops_provider.store.services import read_service

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    import duckdb
    import pyarrow as pa

    from mlops_provider.store.store import Store

FEATURE_PREFIX = "x_"
_SQL_TYPES = {
    "float": "DOUBLE",
    "integer": "BIGINT",
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMP",
}


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


@dataclass(frozen=True, slots=True)
class Window:
    """A window of predictions: rows with features as `x_<name>`, prediction and truth; number of unreadable files."""

    table: pa.Table
    unreadable: int


def live_signature(store: Store, workflow: str, environment: str) -> Signature | None:
    """Give the signature of the model that is live; None when nothing is."""
    primary = read_service(store, workflow, environment).primary
    return Signature.from_dict(store.open(primary.model).meta["signature"]) if primary else None


def read_window(
    store: Store,
    workflow: str,
    *,
    environment: str = "production",
    signature: Signature,
    labels: Labels | None,
    locate: Callable[[str], str],
    size: timedelta | None = None,
    rows: int | None = None,
) -> Window | None:
    """Read the latest predictions, by time or by number, with the labels that have arrived; None: there are none."""
    files, unreadable = _readable_files(store, f"{workflow}/predictions/{environment}")
    if not files:
        return None
    with connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        source = f"read_parquet([{', '.join(map(literal, files))}], union_by_name = true, hive_partitioning = false)"
        present = columns_of(connection, f"SELECT * FROM {source}")
        names = [name for name in signature.names() if f"{FEATURE_PREFIX}{name}" in present]
        kind = _SQL_TYPES[signature.target_type]
        features = "".join(f", {identifier(FEATURE_PREFIX + name)}" for name in names)
        query = (
            "SELECT request_id, row, ts, version, latency_ms, status, probability, "
            f"TRY_CAST(prediction AS {kind}) AS prediction{features} FROM {source}"
        )
        if size is not None:
            query += f" WHERE ts >= now() - INTERVAL {size.total_seconds()} SECOND"
        query += " ORDER BY ts DESC, request_id, row"
        if rows is not None:
            query += f" LIMIT {rows}"
        joined = _join_labels(connection, query, signature, labels, locate)
        return Window(connection.sql(f"{joined} ORDER BY ts, request_id, row").to_arrow_table(), unreadable)


def labelled(
    store: Store,
    workflow: str,
    *,
    environment: str = "production",
    labels: Labels | None,
    locate: Callable[[str], str],
) -> pa.Table | None:
    """Give every prediction whose label has arrived as training data: features by name and the target.

    None when nothing is live, nothing was predicted or nothing is labelled yet.
    """
    if labels is None:
        raise DataError("source 'predictions' has no labels", hint="give 'labels' here or in the monitor")
    signature = live_signature(store, workflow, environment)
    if signature is None:
        return None
    window = read_window(store, workflow, environment=environment, signature=signature, labels=labels, locate=locate)
    if window is None:
        return None
    import pyarrow.compute as pc

    table = window.table.filter(pc.is_valid(window.table["truth"]))
    if table.num_rows == 0:
        return None
    names = [name for name in signature.names() if f"{FEATURE_PREFIX}{name}" in table.column_names]
    columns = [table[f"{FEATURE_PREFIX}{name}"] for name in names]
    import pyarrow as pa

    return pa.table([*columns, table["truth"]], names=[*names, signature.target])


def _readable_files(store: Store, key: str) -> tuple[list[str], int]:
    """Give the Parquet files below a key and the number of those that cannot be read (half-written, damaged)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found, unreadable = [], 0
    for version in store.files.list(key):
        for day in store.files.list(f"{key}/{version}"):
            for hour in store.files.list(f"{key}/{version}/{day}"):
                folder = f"{key}/{version}/{day}/{hour}"
                names = [name for name in store.files.list(folder) if name.endswith(".parquet")]
                local = store.files.local_folder(folder, names)
                for name in names:
                    try:
                        pq.read_metadata(local / name)
                    except (pa.ArrowInvalid, OSError):
                        unreadable += 1
                    else:
                        found.append(str(local / name))
    return found, unreadable


def _join_labels(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    signature: Signature,
    labels: Labels | None,
    locate: Callable[[str], str],
) -> str:
    """Give the query with a column `truth`; of several labels for one prediction the last counts."""
    kind = _SQL_TYPES[signature.target_type]
    files = _label_files(locate(labels.source)) if labels else []
    if labels is None or not files:
        return f"SELECT *, NULL::{kind} AS truth FROM ({query})"
    reader = "read_parquet" if files[0].endswith((".parquet", ".pq")) else "read_csv"
    options = "" if reader == "read_parquet" else ", all_varchar = true, header = true"
    source = f"{reader}([{', '.join(map(literal, files))}], union_by_name = true, filename = true{options})"
    columns = columns_of(connection, f"SELECT * FROM {source}")
    column = labels.column or signature.target
    missing = [name for name in (labels.key, column) if name not in columns]
    if missing:
        raise DataError(
            f"the labels in {labels.source} have no column {', '.join(missing)}",
            hint=f"they have: {', '.join(columns)}",
        )
    row = "TRY_CAST(row AS INTEGER)" if "row" in columns else "0"
    latest = (
        f"SELECT {identifier(labels.key)}::VARCHAR AS label_key, {row} AS label_row, "
        f"TRY_CAST({identifier(column)} AS {kind}) AS truth FROM {source} "
        "QUALIFY row_number() OVER (PARTITION BY label_key, label_row ORDER BY filename DESC) = 1"
    )
    return (
        f"SELECT p.*, l.truth FROM ({query}) p LEFT JOIN ({latest}) l "
        "ON p.request_id = l.label_key AND p.row = l.label_row"
    )


def _label_files(path: str) -> list[str]:
    """Give the label files: of a folder, a glob or a single file; none yet is fine."""
    import fsspec

    filesystem: Any
    filesystem, root = fsspec.core.url_to_fs(path)
    if any(mark in root for mark in "*?["):
        return sorted(filesystem.glob(root))
    if not filesystem.exists(root):
        return []
    if not filesystem.isdir(root):
        return [root]
    names = filesystem.ls(root, detail=False)
    return sorted(name for name in names if name.endswith((".csv", ".parquet", ".pq")))
