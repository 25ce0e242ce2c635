"""The request log: one line of JSON for each request, written by a thread. Never the body, never a key.

And the form of every other line that the server writes: JSON too, so that one program reads all of them.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

Which = Literal["all", "errors", "none"]
_QUEUE = 50_000
_FLUSH_SECONDS = 0.2
_BAD = 400


class RequestLog:
    """Collects what is to be said of requests; a reader that is too slow loses lines, and the log says how many."""

    def __init__(self, which: Which = "errors", stream: Any = None) -> None:
        self._from = {"all": 0, "errors": _BAD, "none": 10_000}[which]
        self._stream = stream or sys.stderr
        self._lines: deque[dict[str, Any]] = deque()
        self._lost = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
        self._thread.start()

    def say(self, status: int, **what: Any) -> None:
        """Write a line about a request, if lines of its status are wanted."""
        if status < self._from:
            return
        if len(self._lines) >= _QUEUE:
            self._lost += 1
        else:
            self._lines.append({"ts": time.time(), "status": status, **what})

    def close(self) -> None:
        """Write what is left."""
        self._stopping.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopping.wait(_FLUSH_SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        lost, self._lost = self._lost, 0
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        if lost:
            lines.append({"ts": time.time(), "event": "lines were lost", "lost": lost})
        if not lines:
            return
        text = b"".join(
            orjson.dumps({**line, "ts": _time(line["ts"])}, option=orjson.OPT_APPEND_NEWLINE) for line in lines
        )
        try:
            self._stream.write(text.decode())
            self._stream.flush()
        except (OSError, ValueError):  # nobody reads any more
            return


class JsonFormatter(logging.Formatter):
    """Gives a log record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        line: dict[str, Any] = {"ts": _time(record.created), "level": record.levelname, "logger": record.name}
        line |= {"message": record.getMessage(), "process": record.process}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
