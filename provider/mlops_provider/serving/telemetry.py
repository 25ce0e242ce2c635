"""The server's metrics in Prometheus form."""

from __future__ import annotations

from functools import cache
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Telemetry:
    """Counters of one server process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "mlops_requests", "Requests by outcome.", ["service", "version", "status"], registry=self.registry
        )
        self._rows = Counter("mlops_rows", "Rows predicted.", ["service", "version"], registry=self.registry)
        self._seconds = Histogram(
            "mlops_request_seconds", "Time to answer.", ["service"], buckets=_BUCKETS, registry=self.registry
        )
        self._dropped = Counter("mlops_log_dropped_rows", "Predictions not logged.", registry=self.registry)
        self._info = Gauge(
            "mlops_model_info",
            "1 for the version that answers.",
            ["service", "version", "digest"],
            registry=self.registry,
        )
        self._active: dict[str, tuple[str, str, str]] = {}
        self._children = cache(self._find)

    def _find(self, service: str, version: str, status: int) -> tuple[Any, Any, Any]:
        return (
            self._requests.labels(service, version, str(status)),
            self._seconds.labels(service),
            self._rows.labels(service, version),
        )

    def answered(self, service: str, version: str, status: int, rows: int, seconds: float) -> None:
        """Count a request."""
        requests, times, counted = self._children(service, version, status)
        requests.inc()
        times.observe(seconds)
        if rows:
            counted.inc(rows)

    def dropped(self, rows: int) -> None:
        """Count predictions that were not logged."""
        self._dropped.inc(rows)

    def active(self, service: str, version: str, digest: str) -> None:
        """Say which version of a service answers; version '': none."""
        before = self._active.pop(service, None)
        if before:
            self._info.remove(*before)
        if version:
            self._active[service] = labels = (service, version, digest[:16])
            self._info.labels(*labels).set(1)

    def text(self) -> bytes:
        """Give all metrics as text."""
        return generate_latest(self.registry)
