"""Shadows: a version is asked what another answered, its answer compared, counted and logged, and never returned.

It happens in a thread of its own, many requests at once, from a queue that is bounded: an answer never waits for it
and never fails because of it. What finds no place is counted.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_provider.exceptions import RequestError

if TYPE_CHECKING:
    from mlops_provider.serving.model import Answer, ServedModel
    from mlops_provider.serving.payload import Rows
    from mlops_provider.serving.prediction_log import Entry, PredictionLog
    from mlops_provider.serving.telemetry import Telemetry

QUEUE_ROWS = 20_000
LINGER_SECONDS = 0.05
BATCH_ROWS = 2000
_TOLERANCE = 1e-6
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was answered: to be asked again."""

    shadow: ServedModel
    rows: Rows
    entry: Entry


class Shadows:
    """Asks the shadows."""

    def __init__(self, log: PredictionLog, telemetry: Telemetry) -> None:
        self._log = log
        self._telemetry = telemetry
        self._queue: deque[Asked] = deque()
        self._rows = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def ask(self, asked: Asked) -> None:
        """Ask later, or count what has no place."""
        count = asked.entry.rows
        with self._lock:
            full = self._rows + count > QUEUE_ROWS
            if not full:
                self._queue.append(asked)
                self._rows += count
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
                self._thread.start()
        if full:
            self._telemetry.shadow_dropped(asked.entry.service, asked.shadow.version.version, count)
        else:
            self._wake.set()

    def close(self) -> None:
        """Ask what is left, then end."""
        self._stopping = True
        self._wake.set()
        if self._thread:
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait()
            self._wake.clear()
            time.sleep(LINGER_SECONDS)  # many at once cost little more than one
            self._work()
        self._work()

    def _work(self) -> None:
        while True:
            with self._lock:
                batch: list[Asked] = []
                rows = 0
                while self._queue and rows < BATCH_ROWS:
                    rows += self._queue[0].entry.rows
                    batch.append(self._queue.popleft())
            if not batch:
                return
            groups: dict[int, list[Asked]] = {}
            for asked in batch:
                groups.setdefault(id(asked.shadow), []).append(asked)
            for group in groups.values():
                try:
                    self._answer(group)
                except Exception:  # noqa: BLE001 (a shadow that fails must fail nothing else)
                    _LOG.exception("a shadow failed")
                    self._failed(group, 0.0)
            with self._lock:
                self._rows -= rows

    def _answer(self, group: list[Asked]) -> None:
        shadow = group[0].shadow
        started = time.perf_counter()
        readable, inputs, failed = [], [], list[Asked]()
        for asked in group:
            try:
                inputs.append(shadow.features.read(asked.rows))
                readable.append(asked)
            except RequestError:  # it takes other features than the version that answered
                failed.append(asked)
        answers = shadow.answer_each(inputs) if inputs else []
        latency = (time.perf_counter() - started) * 1000 / max(1, len(group))
        for asked, answer in zip(readable, answers, strict=True):
            if isinstance(answer, Exception):
                failed.append(asked)
                continue
            entry = asked.entry
            different = differing(entry.answer, answer) if entry.answer else entry.rows
            self._telemetry.shadowed(entry.service, shadow.version.version, entry.rows, different)
            self._log.append(entry.of_shadow(shadow, answer, latency))
        self._failed(failed, latency)

    def _failed(self, group: list[Asked], latency: float) -> None:
        """Count and log what a shadow failed on."""
        for asked in group:
            self._log.append(asked.entry.of_shadow(asked.shadow, None, latency))
        if group:
            self._telemetry.shadow_failed(group[0].entry.service, group[0].shadow.version.version, len(group))


def differing(one: Answer, other: Answer) -> int:
    """Count rows whose predictions differ; numbers may differ by a millionth of their size."""
    import numpy as np

    first, second = np.asarray(one.predictions), np.asarray(other.predictions)
    if first.shape != second.shape:
        return len(first)
    if first.dtype.kind == second.dtype.kind == "f":
        same = np.isclose(first, second, rtol=_TOLERANCE, atol=0, equal_nan=True)
    else:
        same = np.asarray(first == second)
    return int((~same.reshape(len(first), -1).all(axis=1)).sum())
