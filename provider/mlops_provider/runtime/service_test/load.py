"""Load: single rows one after the other, both versions in turn, and many at once; bounded in number and time."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from mlops_provider.runtime.service_test.endpoint import Endpoint, Reply

DEAD = 10
"""After so many requests in a row that got nothing, the service is taken for dead."""
WARM_UP = 3
BATCH_ROWS = 500
_BODIES = 200


@dataclass(slots=True)
class Series:
    """Replies of one version, in the order in which they came, and the seconds that all took."""

    replies: list[Reply] = field(default_factory=list)
    seconds: float = 0.0

    def __len__(self) -> int:
        """Give how many requests there were."""
        return len(self.replies)

    @property
    def dead(self) -> bool:
        """Say whether the last requests got nothing at all."""
        last = self.replies[-DEAD:]
        return len(last) == DEAD and not any(reply.status for reply in last)

    def metrics(self, suffix: str = "") -> dict[str, float]:
        """Give error rate and, of what was answered, latencies in ms and requests per second."""
        import numpy as np

        if not self.replies:
            return {}
        good = [reply.ms for reply in self.replies if reply.answered]
        found = {"error_rate": 1 - len(good) / len(self.replies)}
        if good:
            shares = {"latency_p50_ms": 50, "latency_p95_ms": 95, "latency_p99_ms": 99}
            found |= {name: float(np.percentile(good, share)) for name, share in shares.items()}
            found["throughput_rps"] = len(good) / self.seconds
        return {f"{name}{suffix}": value for name, value in found.items()}

    def troubles(self, what: str) -> list[str]:
        """Say what went wrong, and how often."""
        counts = Counter(_kind(reply) for reply in self.replies if not reply.answered)
        said = [f"{what}: {count} of {len(self)} requests got {kind}" for kind, count in counts.most_common(5)]
        if self.dead:
            answered = sum(bool(reply.status) for reply in self.replies)
            said.append(f"{what}: the service stopped answering after {answered} requests")
        return said


def in_turn(endpoints: Sequence[Endpoint], frame: pd.DataFrame, requests: int, until: float) -> list[Series]:
    """Ask each endpoint so many times for one row, in turn, the first one changing; stop at `until` (monotonic).

    What else the machine does in the meantime slows all of them alike.
    """
    bodies = _bodies(endpoints, frame)
    series = [Series() for _ in endpoints]
    for endpoint, own in zip(endpoints, bodies, strict=True):
        for _ in range(WARM_UP):  # connections, caches; not measured
            endpoint.ask(own[0])
    for i in range(requests):
        if time.monotonic() > until or series[0].dead:
            break
        order = range(len(endpoints))
        for k in order if i % 2 == 0 else reversed(order):
            reply = endpoints[k].ask(bodies[k][i % len(bodies[k])], count=1)
            series[k].replies.append(reply)
            series[k].seconds += reply.ms / 1000
    return series


def at_once(endpoint: Endpoint, frame: pd.DataFrame, *, threads: int, requests: int, until: float) -> Series:
    """Ask for one row from several threads; stop after so many requests or at `until` (monotonic)."""
    [bodies] = _bodies([endpoint], frame)
    series, lock, numbers = Series(), threading.Lock(), itertools.count()

    def work() -> None:
        while not series.dead and time.monotonic() < until and (number := next(numbers)) < requests:
            reply = endpoint.ask(bodies[number % len(bodies)], count=1)
            with lock:
                series.replies.append(reply)

    started = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(work) for _ in range(threads)]:
            future.result()
    series.seconds = time.monotonic() - started
    return series


def rows_per_second(endpoint: Endpoint, frame: pd.DataFrame) -> dict[str, float]:
    """Measure one larger request; nothing where it is not answered."""
    import pandas as pd

    many = pd.concat([frame] * (-(-BATCH_ROWS // len(frame))), ignore_index=True).head(BATCH_ROWS)
    reply = endpoint.ask(endpoint.rows(many), count=BATCH_ROWS)
    return {"rows_per_second": BATCH_ROWS / reply.ms * 1000} if reply.answered else {}


def _bodies(endpoints: Sequence[Endpoint], frame: pd.DataFrame) -> list[list[Any]]:
    return [[each.rows(frame.iloc[[i]]) for i in range(min(_BODIES, len(frame)))] for each in endpoints]


def _kind(reply: Reply) -> str:
    return reply.trouble.partition(":")[0] if reply.status else reply.trouble
