"""The prediction log: every answer in typed Parquet, written by a background thread from a bounded queue.

A full disk or a full queue never fails a request: what cannot be kept is counted as dropped.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_provider.serving.lineup import Role
    from mlops_provider.serving.model import Answer, ServedModel
    from mlops_provider.store.store import Store

FLUSH_SECONDS = 1.0
FLUSH_ROWS = 5000
QUEUE_ROWS = 100_000
ANSWERED, FAILED = 200, 500
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One request; `at` is in seconds since 1970. One that the version failed to answer has no answer and a status."""

    served: ServedModel
    workflow: str
    environment: str
    request_id: str
    at: float
    latency_ms: float
    answer: Answer | None
    role: Role = "primary"
    entity_id: str = ""
    status: int = ANSWERED

    @property
    def service(self) -> str:
        """Name of the service."""
        return f"{self.workflow}/{self.environment}"

    def of_shadow(self, served: ServedModel, answer: Answer | None, latency_ms: float) -> Entry:
        """Give the entry of the same request as a shadow answered it, or failed to."""
        status = ANSWERED if answer else FAILED
        return replace(self, served=served, answer=answer, latency_ms=latency_ms, role="shadow", status=status)

    @property
    def rows(self) -> int:
        """Number of rows; a failure has one."""
        return len(self.answer.predictions) if self.answer else 1

    def folder(self) -> str:
        """Key of the folder that the entry belongs in."""
        at = datetime.fromtimestamp(self.at, UTC)
        version = self.served.version.version
        return f"{self.workflow}/predictions/{self.environment}/version={version}/day={at:%Y-%m-%d}/hour={at:%H}"


class PredictionLog:
    """Collects entries; writes them once a second, or sooner when many rows wait."""

    def __init__(self, store: Store, *, dropped: Callable[[int], None] = lambda _: None) -> None:
        self._store = store
        self._dropped = dropped
        self._entries: deque[Entry] = deque()
        self._rows = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    def append(self, entry: Entry) -> None:
        """Keep an entry, or count it as dropped when the queue is full."""
        with self._lock:
            full = self._rows + entry.rows > QUEUE_ROWS
            if not full:
                self._entries.append(entry)
                self._rows += entry.rows
        if full:
            self._dropped(entry.rows)
        elif self._rows >= FLUSH_ROWS:
            self._wake.set()

    def close(self) -> None:
        """Write what is left and end the thread."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(FLUSH_SECONDS)
            self._wake.clear()
            self._flush()
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            entries, self._entries = self._entries, deque()
        groups: dict[tuple[str, str, str, bool], list[Entry]] = {}
        for entry in entries:
            kind = (entry.folder(), entry.served.loaded.ref.digest, entry.role, entry.answer is None)
            groups.setdefault(kind, []).append(entry)
        for (folder, *_), group in groups.items():
            rows = sum(entry.rows for entry in group)
            try:
                self._write(folder, group)
            except Exception:  # noqa: BLE001 (a log that cannot be written must not end the thread)
                _LOG.exception("%d predictions could not be written", rows)
                self._dropped(rows)
            with self._lock:  # rows being written still count: they are in memory
                self._rows -= rows

    def _write(self, folder: str, entries: list[Entry]) -> None:
        import pyarrow.parquet as pq

        from mlops_provider.serving.log_table import DICTIONARIES, log_table

        name = f"{int(time.time() * 1000)}-{uuid.uuid4().hex[:12]}.parquet"
        with self._store.scratch() as scratch:
            table = log_table(entries)
            pq.write_table(table, scratch / name, use_dictionary=DICTIONARIES, write_statistics=["ts"])
            self._store.files.upload(folder, [scratch / name], scratch)


class NoPredictionLog(PredictionLog):
    """Keeps nothing: for a server that has no store."""

    def __init__(self) -> None:
        """Start no thread."""

    def append(self, entry: Entry) -> None:
        """Forget an entry."""

    def close(self) -> None:
        """Do nothing."""
