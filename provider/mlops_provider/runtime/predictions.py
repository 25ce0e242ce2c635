"""The prediction log as tables: windows of it, joined with the labels that have arrived."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.labels import SQL_TYPES, Labels, arrived_labels
from mlops_provider.runtime.sql import columns_of, identifier, literal
from mlops_provider.runtime.table import connect
from mlops_provider.store.models import Signature
from mlops_provider.store.services import read_service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import timedelta
    from pathlib import Path

    import duckdb
    import pyarrow as pa

    from mlops_provider.store.services import ServedVersion
    from mlops_provider.store.store import Store

FEATURE_PREFIX = "x_"
_CLOCKS_SECONDS = 300.0
"""By how much the clocks of servers may differ from ours before a file is left out wrongly."""


@dataclass(frozen=True, slots=True)
class Window:
    """A window of predictions: rows with features as `x_<name>`, prediction and truth; the files not readable."""

    table: pa.Table
    unreadable: list[str]


def signature_of(store: Store, served: ServedVersion) -> Signature:
    """Give the signature of a version that is served."""
    return Signature.from_dict(store.open(served.model).meta["signature"])


def read_window(
    store: Store,
    workflow: str,
    *,
    environment: str = "production",
    version: str | None = None,
    signature: Signature,
    labels: Labels | None,
    locate: Callable[[str], str],
    size: timedelta | None = None,
    rows: int | None = None,
    only_labelled: bool = False,
) -> Window | None:
    """Read the latest predictions of one version or all, with the labels that have arrived; None: there are none.

    The latest are those of the last `size` of time, the last `rows`, or all. Half-written and damaged files are
    left out and named.
    """
    import duckdb

    since = datetime.now(UTC) - size if size is not None else None
    files, unreadable = log_files(store, f"{workflow}/predictions/{environment}", version, since, rows)
    while files:
        with connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            query = _window_query(connection, files, signature, since, rows)
            truth, lost = "", list[str]()
            if labels:
                truth, lost = arrived_labels(
                    connection, labels, target=signature.target, target_type=signature.target_type, locate=locate
                )
            query = _joined(query, truth, signature, only_labelled=only_labelled)
            try:
                return Window(connection.sql(query).to_arrow_table(), [*map(str, unreadable), *lost])
            except duckdb.Error:
                damaged = [file for file in files if not is_sound(file)]
                if not damaged:
                    raise
                unreadable += damaged
                files = [file for file in files if file not in damaged]
    return None


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
    primary = read_service(store, workflow, environment).primary
    if primary is None:
        return None
    signature = signature_of(store, primary)
    window = read_window(
        store,
        workflow,
        environment=environment,
        signature=signature,
        labels=labels,
        locate=locate,
        only_labelled=True,
    )
    if window is None or window.table.num_rows == 0:
        return None
    names = {f"{FEATURE_PREFIX}{name}": name for name in signature.names()} | {"truth": signature.target}
    table = window.table.select([name for name in names if name in window.table.column_names])
    return table.rename_columns([names[name] for name in table.column_names])


def log_files(
    store: Store, key: str, version: str | None, since: datetime | None, rows: int | None
) -> tuple[list[Path], list[Path]]:
    """Give the files that may hold the latest predictions, and those that cannot be read.

    Folders are looked at from the newest hour backwards, and no further than needed; files that were written before
    `since` are left out.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: list[Path] = []
    unreadable: list[Path] = []
    counted = 0
    oldest = f"day={since:%Y-%m-%d}/hour={since:%H}" if since else ""
    for hour, folders in _hours(store, key, version):
        if hour < oldest or (rows is not None and counted >= rows):
            break
        for folder in folders:
            names = [name for name in store.files.list(folder) if name.endswith(".parquet") and _is_young(name, since)]
            local = store.files.local_folder(folder, names)
            for name in names:
                try:
                    counted += pq.read_metadata(local / name).num_rows
                except (pa.ArrowInvalid, OSError):
                    unreadable.append(local / name)
                else:
                    found.append(local / name)
    return found, unreadable


def _is_young(name: str, since: datetime | None) -> bool:
    """Say whether a file was written after a moment: its name begins with when, in milliseconds of its server."""
    written = name.partition("-")[0]
    if since is None or not written.isdigit():
        return True
    return int(written) / 1000 >= since.timestamp() - _CLOCKS_SECONDS


def _hours(store: Store, key: str, version: str | None) -> Iterator[tuple[str, list[str]]]:
    """Give hours as 'day=…/hour=…' with their folders, one for each version, the newest first."""
    versions = store.files.list(key) if version is None else [f"version={version}"]
    days: dict[str, list[str]] = {}
    for name in versions:
        for day in store.files.list(f"{key}/{name}"):
            days.setdefault(day, []).append(f"{key}/{name}/{day}")
    for day in sorted(days, reverse=True):
        hours: dict[str, list[str]] = {}
        for folder in days[day]:
            for hour in store.files.list(folder):
                hours.setdefault(hour, []).append(f"{folder}/{hour}")
        for hour in sorted(hours, reverse=True):
            yield f"{day}/{hour}", hours[hour]


def _window_query(
    connection: duckdb.DuckDBPyConnection,
    files: list[Path],
    signature: Signature,
    since: datetime | None,
    rows: int | None,
) -> str:
    listed = ", ".join(literal(str(file)) for file in files)
    source = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
    present = columns_of(connection, f"SELECT * FROM {source}")
    names = [FEATURE_PREFIX + name for name in signature.names() if FEATURE_PREFIX + name in present]
    features = "".join(f", {identifier(name)}" for name in names)
    answer = (
        "probability, TRY_CAST(prediction" if "prediction" in present else "NULL::DOUBLE AS probability, TRY_CAST(NULL"
    )
    query = (
        "SELECT request_id, row, ts, version, latency_ms, status, "
        f"{answer} AS {SQL_TYPES[signature.target_type]}) AS prediction{features} FROM {source} "
        "WHERE role <> 'shadow'"  # nobody got to see a shadow's answer
    )
    if since is not None:
        query += f" AND ts >= TIMESTAMPTZ {literal(since.isoformat())}"
    query += " ORDER BY ts DESC, request_id, row"
    return query if rows is None else f"{query} LIMIT {rows}"


def _joined(query: str, truth: str, signature: Signature, *, only_labelled: bool) -> str:
    """Give the query with a column `truth`, in the order in which the predictions were made."""
    kind = SQL_TYPES[signature.target_type]
    labels = truth or f"SELECT NULL::VARCHAR AS label_key, 0 AS label_row, NULL::{kind} AS truth WHERE false"
    join = "JOIN" if only_labelled else "LEFT JOIN"
    answered = " AND p.status < 400" if only_labelled else ""  # nothing is learned from what failed
    return (
        f"SELECT p.*, l.truth FROM ({query}) p {join} ({labels}) l "
        f"ON p.request_id = l.label_key AND p.row = l.label_row{answered} ORDER BY p.ts, p.request_id, p.row"
    )


def is_sound(file: Path) -> bool:
    """Say whether every page of a Parquet file can be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        pq.read_table(file)
    except (pa.ArrowException, OSError):
        return False
    return True
