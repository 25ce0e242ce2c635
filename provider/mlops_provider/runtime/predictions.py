"""The prediction log as tables: windows of it, joined with the labels that have arrived."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.labels import Labels, arrived_labels, truth_type
from mlops_provider.runtime.sql import columns_of, identifier, literal
from mlops_provider.runtime.table import connect
from mlops_provider.store.models import Signature
from mlops_provider.store.services import read_service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import duckdb
    import pyarrow as pa

    from mlops_provider.store.services import ServedVersion
    from mlops_provider.store.store import Store

FEATURE_PREFIX = "x_"
FAILED_STATUS = 400
"""From this status on a request was not answered."""
_CLOCKS_SECONDS = 300.0
"""By how much the clocks of servers may differ from ours before a file is left out wrongly."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of the log: from `since` on, before `until`; the latest `rows` of it. None: no bound."""

    since: datetime | None = None
    until: datetime | None = None
    rows: int | None = None

    def condition(self) -> str:
        """Give the SQL of 'the moment `ts` is in it'."""
        bounds = ((">=", self.since), ("<", self.until))
        parts = [f"ts {sign} TIMESTAMPTZ {literal(bound.isoformat())}" for sign, bound in bounds if bound]
        return " AND ".join(parts) or "true"


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
    stretch: Stretch = Stretch(),
    only_labelled: bool = False,
) -> Window | None:
    """Read predictions of one version or all into memory, with the labels that have arrived; None: there are none.

    Half-written and damaged files are left out and named.
    """
    import duckdb

    files, unreadable = log_files(store, f"{workflow}/predictions/{environment}", version, stretch)
    while files:
        with connect() as connection:
            query = rows_query(connection, files, signature, stretch)
            query, lost = with_labels(connection, query, labels, signature, locate, only_labelled=only_labelled)
            try:
                ordered = f"SELECT * FROM ({query}) ORDER BY ts, request_id, row"
                return Window(connection.sql(ordered).to_arrow_table(), [*map(str, unreadable), *lost])
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


def log_files(store: Store, key: str, version: str | None, stretch: Stretch) -> tuple[list[Path], list[Path]]:
    """Give the files that may hold a stretch of the log, and those that cannot be read.

    Folders are looked at from the newest hour backwards, and no further than needed; files that were written before
    the stretch begins are left out.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: list[Path] = []
    unreadable: list[Path] = []
    counted, since = 0, stretch.since
    oldest = hour_name(since) if since else ""
    newest = hour_name(stretch.until) if stretch.until else "~"
    for hour, folders in log_hours(store, key, version):
        if hour < oldest or (stretch.rows is not None and counted >= stretch.rows):
            break
        if hour > newest:
            continue
        inner = hour != newest  # of the last hour some rows may be too late: they do not count
        for folder in folders:
            names = [name for name in store.files.list(folder) if name.endswith(".parquet") and _is_young(name, since)]
            local = store.files.local_folder(folder, names)
            for name in names:
                try:
                    counted += pq.read_metadata(local / name).num_rows if inner else 0
                except (pa.ArrowInvalid, OSError):
                    unreadable.append(local / name)
                else:
                    found.append(local / name)
    return found, unreadable


def hour_name(moment: datetime) -> str:
    """Give the name of an hour's folder, without the version above it."""
    return f"day={moment.astimezone(UTC):%Y-%m-%d}/hour={moment.astimezone(UTC):%H}"


def _is_young(name: str, since: datetime | None) -> bool:
    """Say whether a file was written after a moment: its name begins with when, in milliseconds of its server."""
    written = name.partition("-")[0]
    if since is None or not written.isdigit():
        return True
    return int(written) / 1000 >= since.timestamp() - _CLOCKS_SECONDS


def log_hours(store: Store, key: str, version: str | None) -> Iterator[tuple[str, list[str]]]:
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


def rows_query(
    connection: duckdb.DuckDBPyConnection, files: Iterable[Path], signature: Signature, stretch: Stretch
) -> str:
    """Give the SQL of the rows of a stretch, in no order: what nobody got to see, a shadow's answers, is left out.

    `again` is true where the same request, row and values were answered again later: a client that had tried once more.
    """
    query = plain_rows(connection, files, signature, stretch)
    if not repeated(connection, query):
        return f"SELECT *, false AS again FROM ({query})"
    features = [name for name in columns_of(connection, query) if name.startswith(FEATURE_PREFIX)]
    values = f"hash({', '.join(map(identifier, features)) or 'NULL'})"
    return (
        f"SELECT p.*, coalesce(p.status < {FAILED_STATUS} AND p.ts < r.latest, false) AS again FROM ({query}) p "
        f"LEFT JOIN (SELECT request_id, row, {values} AS held, max(ts) AS latest FROM ({query}) {_REPEATED}) r "
        f"ON p.request_id = r.request_id AND p.row = r.row AND {values} = r.held"
    )


_REPEATED = f"WHERE status < {FAILED_STATUS} GROUP BY ALL HAVING count(*) > 1"


def repeated(connection: duckdb.DuckDBPyConnection, query: str) -> bool:
    """Say whether an id came twice; two columns tell."""
    return connection.execute(f"SELECT request_id, row FROM ({query}) {_REPEATED} LIMIT 1").fetchone() is not None


def plain_rows(
    connection: duckdb.DuckDBPyConnection, files: Iterable[Path], signature: Signature, stretch: Stretch
) -> str:
    """Give the SQL of the rows of a stretch without `again`, which is costly where clients tried once more."""
    listed = ", ".join(literal(str(file)) for file in files)
    source = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
    present = columns_of(connection, f"SELECT * FROM {source}")
    names = [FEATURE_PREFIX + name for name in signature.names() if FEATURE_PREFIX + name in present]
    features = "".join(f", {identifier(name)}" for name in names)
    answered = "prediction" in present
    answer = "probability, TRY_CAST(prediction" if answered else "NULL::DOUBLE AS probability, TRY_CAST(NULL"
    entity = "entity_id" if "entity_id" in present else "NULL::VARCHAR AS entity_id"
    query = (
        "SELECT request_id, row, ts, version, latency_ms, status, "
        f"{entity}, {answer} AS {truth_type(signature)}) AS prediction{features} FROM {source} "
        f"WHERE role <> 'shadow' AND {stretch.condition()}"
    )
    if stretch.rows is not None:
        query = f"SELECT * FROM ({query} ORDER BY ts DESC, request_id, row LIMIT {stretch.rows})"
    return query


def with_labels(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    labels: Labels | None,
    signature: Signature,
    locate: Callable[[str], str],
    *,
    only_labelled: bool = False,
    keep: bool = False,
) -> tuple[str, list[str]]:
    """Give the SQL of rows with a column `truth`, and the files of labels that cannot be read.

    `keep`: the labels are read now, into a temporary table, for a query that is asked several times.
    """
    truth, lost = "", list[str]()
    if labels:
        answered = f"SELECT * FROM ({query}) WHERE status < {FAILED_STATUS} AND NOT again"
        truth, lost = arrived_labels(connection, labels, signature=signature, locate=locate, predictions=answered)
    kind = truth_type(signature)
    if truth and keep:
        name = f"mlops_labels_{uuid.uuid4().hex}"
        connection.execute(f"CREATE TEMP TABLE {name} AS {truth}")
        truth = f"SELECT * FROM {name}"
    truth = truth or f"SELECT NULL::VARCHAR AS label_key, 0 AS label_row, NULL::{kind} AS truth WHERE false"
    join = "JOIN" if only_labelled else "LEFT JOIN"
    answered = f" AND p.status < {FAILED_STATUS} AND NOT p.again" if only_labelled else ""  # of failures none learns
    joined = (
        f"SELECT p.*, l.truth FROM ({query}) p {join} ({truth}) l "
        f"ON p.request_id = l.label_key AND p.row = l.label_row{answered}"
    )
    return joined, lost


def is_sound(file: Path) -> bool:
    """Say whether every page of a Parquet file can be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        pq.read_table(file)
    except (pa.ArrowException, OSError):
        return False
    return True
