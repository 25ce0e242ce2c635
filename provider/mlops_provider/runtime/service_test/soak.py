"""Soak: the service is kept busy for long, and its memory looked at."""

from __future__ import annotations

import re
import statistics
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlops_provider.runtime.service_test.load import Series, at_once

if TYPE_CHECKING:
    import httpx
    import pandas as pd

    from mlops_provider.runtime.service_test.endpoint import Endpoint

MOST_REQUESTS = 2_000_000
_LOOKS = 60
_LEAST_SECONDS = 0.2
_MEMORY = re.compile(r"^process_resident_memory_bytes(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)
_MB = 1e6


@dataclass(frozen=True, slots=True)
class Soak:
    """Replies, and the server's memory as (time, bytes)."""

    series: Series
    memory: list[tuple[float, float]]

    def metrics(self) -> dict[str, float]:
        """Give the metrics of the load, and how much the memory grew: last quarter over first quarter, medians."""
        found = {f"soak_{name}": value for name, value in self.series.metrics().items()}
        found["soak_requests"] = float(len(self.series))
        quarter = len(self.memory) // 4
        if quarter:
            first, last = self.memory[:quarter], self.memory[-quarter:]
            grown = statistics.median(value for _, value in last) - statistics.median(value for _, value in first)
            found["memory_growth_mb"] = grown / _MB
        return found


def soak(endpoint: Endpoint, frame: pd.DataFrame, *, seconds: float, threads: int) -> Soak:
    """Keep a service busy and look at its memory about sixty times; a service that died ends it."""
    until, stop = time.monotonic() + seconds, threading.Event()
    memory: list[tuple[float, float]] = []

    def look() -> None:
        while not stop.wait(max(seconds / _LOOKS, _LEAST_SECONDS)):
            found = resident(endpoint.client)
            if found is not None:
                memory.append((time.monotonic(), found))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        series = at_once(endpoint, frame, threads=threads, requests=MOST_REQUESTS, until=until)
    finally:
        stop.set()
        watcher.join()
    return Soak(series, memory)


def resident(client: httpx.Client) -> float | None:
    """Give the resident memory that the server's /metrics says, in bytes; None where it says nothing."""
    import httpx

    base = urlsplit(str(client.base_url))
    try:
        text = client.get(f"{base.scheme}://{base.netloc}/metrics").text
    except httpx.HTTPError:
        return None
    found = _MEMORY.search(text)
    return float(found[1]) if found else None
