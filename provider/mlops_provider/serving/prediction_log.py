"""The prediction log: every answer in typed Parquet, written by a background thread from a bounded queue.

A full disk or a full queue never fails a request: what cannot be kept is counted as dropped.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from mlops_provider.serving.model import Answer, ServedModel
    from mlops_provider.store.store import Store

SCHEMA_VERSION = 1
FLUSH_SECONDS = 1.0
FLUSH_ROWS = 5000
QUEUE_ROWS = 100_000
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One answered request."""

    served: ServedModel
    environment: str
    request_id: str
    at: float
    latency_ms: float
    status: int
    answer: Answer


class PredictionLog:
    """Collects entries and writes them below `<workflow>/predictions/<environment>/` once a second."""

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
        rows = len(entry.answer.predictions)
        with self._lock:
            if self._rows + rows > QUEUE_ROWS:
                full = True
            else:
                full = False
                self._entries.append(entry)
                self._rows += rows
        if full:
            self._dropped(rows)
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
            entries, self._entries, self._rows = list(self._entries), deque(), 0
        groups: dict[tuple[str, str, str], list[Entry]] = {}
        for entry in entries:
            version = entry.served.version
            groups.setdefault((entry.served.loaded.ref.name, entry.environment, version.version), []).append(entry)
        for group in groups.values():
            try:
                self._write(group)
            except Exception:  # noqa: BLE001 (a log that cannot be written must not end the thread)
                rows = sum(len(entry.answer.predictions) for entry in group)
                _LOG.exception("%d predictions could not be written", rows)
                self._dropped(rows)

    def _write(self, entries: list[Entry]) -> None:
        import pyarrow.parquet as pq

        first = entries[0]
        at = datetime.fromtimestamp(first.at, UTC)
        workflow = first.served.loaded.ref.name
        folder = (
            f"{workflow}/predictions/{first.environment}/version={first.served.version.version}"
            f"/day={at:%Y-%m-%d}/hour={at:%H}"
        )
        name = f"{int(time.time() * 1000)}-{uuid.uuid4().hex[:12]}.parquet"
        with self._store.scratch() as scratch:
            file = scratch / name
            pq.write_table(_table(entries), file)
            self._store.files.upload(folder, [file], scratch)


def _table(entries: list[Entry]) -> pa.Table:
    """Give the entries of one version as a table, one row per predicted row."""
    import numpy as np
    import pyarrow as pa

    served = entries[0].served
    counts = [len(entry.answer.predictions) for entry in entries]

    def repeat(values: list[Any]) -> list[Any]:
        return [value for value, count in zip(values, counts, strict=True) for _ in range(count)]

    rows = sum(counts)
    constant = {
        "model": served.loaded.ref.name,
        "version": served.version.version,
        "digest": served.loaded.ref.digest,
        "environment": entries[0].environment,
        "role": "primary",
    }
    predictions = np.concatenate([entry.answer.predictions for entry in entries])
    columns: dict[str, Any] = {
        "schema_version": np.full(rows, SCHEMA_VERSION, dtype=np.int32),
        "request_id": repeat([entry.request_id for entry in entries]),
        "row": np.concatenate([np.arange(count, dtype=np.int32) for count in counts]),
        "ts": pa.array([int(at * 1e6) for at in repeat([entry.at for entry in entries])], pa.timestamp("us", "UTC")),
        **{name: pa.array([value] * rows, pa.string()).dictionary_encode() for name, value in constant.items()},
        "prediction": predictions,
        "probability": _probabilities(entries, rows),
        "latency_ms": repeat([entry.latency_ms for entry in entries]),
        "status": np.asarray(repeat([entry.status for entry in entries]), dtype=np.int16),
    }
    return pa.table({**columns, **_features(entries)})


def _probabilities(entries: list[Entry], rows: int) -> Any:
    import numpy as np
    import pyarrow as pa

    if entries[0].answer.probabilities is None:
        return pa.nulls(rows, pa.float64())
    return np.concatenate(
        [entry.answer.probabilities.max(axis=1) for entry in entries if entry.answer.probabilities is not None]
    )


def _features(entries: list[Entry]) -> dict[str, Any]:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    names = entries[0].served.names
    inputs = [entry.answer.inputs for entry in entries]
    if isinstance(inputs[0], pd.DataFrame):
        frame = pd.concat(inputs, ignore_index=True)
        return {f"x_{name}": pa.array(frame[name], from_pandas=True) for name in names}
    matrix = np.concatenate(inputs)
    return {f"x_{name}": pa.array(matrix[:, index], from_pandas=True) for index, name in enumerate(names)}
