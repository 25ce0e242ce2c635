"""The server's metrics in Prometheus form, of one process or summed over the workers that share a folder."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mlops_provider.serving.options import METRICS_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlops_provider.serving.lineup import Role

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_FAILURE = 500
_WHO = ["service", "version", "role"]


class Telemetry:
    """Counters of one server process, in a registry of its own."""

    def __init__(self) -> None:
        self.folder = os.environ.get(METRICS_VARIABLE, "")
        self.registry = CollectorRegistry()
        self._requests = self._counter("mlops_requests", "Requests by outcome.", [*_WHO, "status"])
        self._errors = self._counter("mlops_errors", "Requests that the server failed to answer.", _WHO)
        self._rows = self._counter("mlops_rows", "Rows predicted.", _WHO)
        self._seconds = Histogram(
            "mlops_request_seconds", "Time to answer.", _WHO, buckets=_BUCKETS, registry=self.registry
        )
        self._dropped = self._counter("mlops_log_dropped_rows", "Predictions not logged.", [])
        shadow = ["service", "version"]
        self._shadow_rows = self._counter("mlops_shadow_rows", "Rows that a shadow answered too.", shadow)
        self._different = self._counter("mlops_shadow_differing_rows", "Rows that it answered otherwise.", shadow)
        self._shadow_errors = self._counter("mlops_shadow_errors", "Requests that a shadow failed on.", shadow)
        self._shadow_dropped = self._counter("mlops_shadow_dropped_rows", "Rows that a shadow was not asked.", shadow)
        self._info = Gauge(
            "mlops_model_info",
            "The percentage of the traffic of a version that answers.",
            [*_WHO, "digest"],
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._in_flight = Gauge(
            "mlops_requests_in_flight", "Requests in work.", registry=self.registry, multiprocess_mode="livesum"
        )
        self._capacity = Gauge(
            "mlops_requests_capacity",
            "Requests that may be in work at once.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._active: dict[str, set[tuple[str, str, str, str]]] = {}
        self._children = cache(self._find)

    def _counter(self, name: str, what: str, labels: list[str]) -> Counter:
        return Counter(name, what, labels, registry=self.registry)

    def _find(self, service: str, version: str, role: str, status: int) -> tuple[Any, Any, Any, Any]:
        who = (service, version, role)
        errors = self._errors.labels(*who)
        return (
            self._requests.labels(*who, str(status)),
            self._seconds.labels(*who),
            self._rows.labels(*who),
            errors if status >= _FAILURE else None,
        )

    def answered(self, service: str, version: str, role: str, status: int, rows: int, seconds: float) -> None:
        """Count a request."""
        requests, times, counted, errors = self._children(service, version, role, status)
        requests.inc()
        times.observe(seconds)
        if rows:
            counted.inc(rows)
        if errors:
            errors.inc()

    def capacity(self, requests: int) -> None:
        """Say how many requests this process takes at once."""
        self._capacity.set(requests)

    def in_flight(self, requests: int) -> None:
        """Say how many requests are in work in this process."""
        self._in_flight.set(requests)

    def dropped(self, rows: int) -> None:
        """Count predictions that were not logged."""
        self._dropped.inc(rows)

    def shadowed(self, service: str, version: str, rows: int, different: int) -> None:
        """Count what a shadow answered, and how many rows otherwise."""
        self._shadow_rows.labels(service, version).inc(rows)
        self._different.labels(service, version).inc(different)

    def shadow_failed(self, service: str, version: str, requests: int) -> None:
        """Count requests that a shadow failed on."""
        self._shadow_errors.labels(service, version).inc(requests)

    def shadow_dropped(self, service: str, version: str, rows: int) -> None:
        """Count rows that a shadow was not asked, because its queue was full."""
        self._shadow_dropped.labels(service, version).inc(rows)

    def active(self, service: str, versions: Mapping[tuple[str, Role, str], int]) -> None:
        """Say which versions of a service answer: (version, role, digest) -> percentage of the traffic."""
        now = {(service, version, role, digest[:16]): weight for (version, role, digest), weight in versions.items()}
        for labels in self._active.pop(service, set()) - now.keys():
            if self.folder:
                self._info.labels(*labels).set(0)  # the numbers of processes in a folder cannot be taken back
            else:
                self._info.remove(*labels)
        for labels, weight in now.items():
            self._info.labels(*labels).set(weight)
        self._active[service] = set(now)

    def text(self) -> bytes:
        """Give all metrics as text."""
        if not self.folder:
            return generate_latest(self.registry) + _process([os.getpid()])
        from prometheus_client.multiprocess import MultiProcessCollector

        summed = CollectorRegistry()
        MultiProcessCollector(summed, path=self.folder)  # type: ignore[no-untyped-call]
        pids = {int(file.stem.rpartition("_")[2]) for file in Path(self.folder).glob("*_*.db")}
        return generate_latest(summed) + _process(pids)


def _process(pids: Iterable[int]) -> bytes:
    """Give memory and processor time of some processes together, under the names that every Prometheus client gives.

    Nothing where there is no /proc; processes that have ended do not count.
    """
    page, tick = resource.getpagesize(), os.sysconf("SC_CLK_TCK")
    memory, seconds = 0, 0.0
    for pid in pids:
        with suppress(OSError, ValueError, IndexError):
            memory += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page
            times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            seconds += (int(times[11]) + int(times[12])) / tick  # user and system: fields 14 and 15 of the line
    if not memory:
        return b""
    return (
        _line("process_resident_memory_bytes", "gauge", "Resident memory of all workers.", memory)
        + _line("process_cpu_seconds_total", "counter", "Processor time of all workers.", round(seconds, 2))
    ).encode()


def _line(name: str, kind: str, what: str, value: float) -> str:
    return f"# HELP {name} {what}\n# TYPE {name} {kind}\n{name} {value}\n"
