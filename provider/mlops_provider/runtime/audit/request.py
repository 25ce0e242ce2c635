"""Finding one request in the prediction log, without reading all of it.

Ids carry no time, so that folders are asked hour by hour, the newest first, each for the one column of ids; the search
ends an hour before the first that has it, because a failure and the answer instead may lie on both sides of the hour.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.predictions import FEATURE_PREFIX, hour_name, is_sound, log_hours
from mlops_provider.runtime.sql import literal
from mlops_provider.runtime.table import connect
from mlops_provider.store.services import list_service_names

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import duckdb

    from mlops_provider.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRow:
    """One row of a request as it was logged; `ts` is in UTC. One that failed has no prediction."""

    workflow: str
    environment: str
    request_id: str
    row: int
    ts: datetime
    version: str
    digest: str
    role: str
    status: int
    latency_ms: float
    prediction: Any = None
    probability: float | None = None
    entity_id: str | None = None
    features: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The rows of a request, in the order of time and row; files that cannot be read; what the search cost."""

    rows: tuple[LoggedRow, ...]
    unreadable: tuple[str, ...] = ()
    files: int = 0
    seconds: float = 0.0


def find_request(
    store: Store, request_id: str, *, workflow: str = "", environment: str = "", since: datetime | None = None
) -> Found:
    """Find the rows of a request, in one service or in all, back to the hour of `since`.

    DataError where nothing is found: it says how far was looked and which files could not be read.
    """
    began, files, unreadable = time.monotonic(), 0, list[str]()
    services = [
        found for found in list_service_names(store) if workflow in {"", found[0]} and environment in {"", found[1]}
    ]
    for service in services:
        search = _Search(store, *service, request_id, hour_name(since) if since else "")
        rows = search.run()
        files, unreadable = files + search.files, [*unreadable, *search.unreadable]
        if rows:
            seconds = time.monotonic() - began
            return Found(rows=tuple(rows), unreadable=tuple(unreadable), files=files, seconds=seconds)
    where = ", ".join("/".join(service) for service in services) or f"any service of {store.url}"
    back = f" since {since:%Y-%m-%d %H}:00 UTC" if since else ""
    lost = f"; {len(unreadable)} files cannot be read: {', '.join(unreadable[:3])}" if unreadable else ""
    raise DataError(
        f"request '{request_id}' is not in the prediction log of {where}{back}: {files:,} files were asked{lost}",
        hint="the server's answer carries the id in the header X-Request-ID; a log that was full dropped rows",
    )


@dataclass(slots=True)
class _Search:
    store: Store
    workflow: str
    environment: str
    request_id: str
    oldest: str
    files: int = 0
    unreadable: list[str] = field(default_factory=list)

    def run(self) -> list[LoggedRow]:
        found: list[LoggedRow] = []
        with connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for hour, folders in log_hours(self.store, f"{self.workflow}/predictions/{self.environment}", None):
                if hour < self.oldest:
                    break
                rows = [row for folder in folders for row in self._ask(connection, self._files(folder))]
                if found and not rows:
                    break
                found += rows
        return sorted(found, key=lambda row: (row.ts, row.row))

    def _files(self, folder: str) -> list[Path]:
        names = [name for name in self.store.files.list(folder) if name.endswith(".parquet")]
        local = self.store.files.local_folder(folder, names)
        return [local / name for name in names]

    def _ask(self, connection: duckdb.DuckDBPyConnection, files: list[Path]) -> list[LoggedRow]:
        """Ask the files of an hour; damaged ones are left out and named."""
        import duckdb

        self.files += len(files)
        while files:
            listed = ", ".join(literal(str(file)) for file in files)
            source = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
            query = f"SELECT * FROM {source} WHERE request_id = {literal(self.request_id)}"
            try:
                table = connection.sql(query).to_arrow_table()
            except duckdb.Error:
                damaged = [file for file in files if not is_sound(file)]
                if not damaged:
                    raise
                self.unreadable += map(str, damaged)
                files = [file for file in files if file not in damaged]
            else:
                return [self._row(row) for row in table.to_pylist()]
        return []

    def _row(self, row: dict[str, Any]) -> LoggedRow:
        return LoggedRow(
            workflow=self.workflow,
            environment=self.environment,
            request_id=row["request_id"],
            row=row["row"],
            ts=row["ts"],
            version=row["version"],
            digest=row["digest"],
            role=row["role"],
            status=row["status"],
            latency_ms=row["latency_ms"],
            prediction=_finite(row.get("prediction")),
            probability=_finite(row.get("probability")),
            entity_id=row.get("entity_id"),
            features={
                name.removeprefix(FEATURE_PREFIX): _finite(value)
                for name, value in row.items()
                if name.startswith(FEATURE_PREFIX)
            },
        )


def _finite(value: Any) -> Any:
    """Give a value as JSON can say it: a number that is none becomes a word."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
