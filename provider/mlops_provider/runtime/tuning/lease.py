"""Who works on a search: each worker says in the store that it lives; the trials of a dead one may be taken over.

A worker on this machine lives as long as its process does, however busy; one elsewhere as long as its last sign of
life is younger than the lease.
"""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_provider.store.store import Store

BEAT = 10.0
"""Seconds between two signs of life."""
LEASE = 120.0
"""Seconds after the last sign of life from which a worker on another machine counts as dead."""

_PREFIX = "worker-"


@dataclass(slots=True)
class Worker:
    """This worker: a process, or a thread of one. `parent` is a process without which it ends in mid-trial."""

    store: Store
    key: str
    name: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    parent: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(default_factory=threading.Thread)

    def __enter__(self) -> Self:
        self._say()
        self._thread = threading.Thread(target=self._beat, daemon=True, name=f"lease {self.name}")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.store.files.delete(_key(self.key, self.name))

    @contextmanager
    def own_share(self) -> Iterator[None]:
        """Keep numeric libraries from using more than this worker's share of the processors of this machine."""
        from joblib import cpu_count
        from threadpoolctl import threadpool_limits

        here = _place()["machine"]
        signs = (
            _sign(self.store, f"{self.key}/workers/{name}") for name in self.store.files.list(f"{self.key}/workers")
        )
        workers = sum(1 for sign in signs if sign and sign["machine"] == here and _lives(sign))
        if workers < 2:  # noqa: PLR2004 (only this one)
            yield
            return
        with threadpool_limits(max(1, cpu_count() // workers)):
            yield

    @property
    def orphaned(self) -> bool:
        """Say whether the process that this one works for is gone."""
        return bool(self.parent) and os.getppid() != self.parent

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            if self.orphaned:
                os._exit(1)  # its task was ended: nobody waits for this trial
            try:
                self._say()
            except OSError:
                continue  # the store is away for a moment: the lease is longer than several beats

    def _say(self) -> None:
        sign = {**_place(), "at": time.time()}
        self.store.files.write(_key(self.key, self.name), json_bytes(sign))


def alive(store: Store, key: str, name: str) -> bool:
    """Say whether a worker of a search lives: one that has ended leaves no sign."""
    sign = _sign(store, _key(key, name))
    return sign is not None and _lives(sign)


def _sign(store: Store, key: str) -> dict[str, Any] | None:
    try:
        return json.loads(store.files.read(key))  # type: ignore[no-any-return]
    except FileNotFoundError:
        return None


def _lives(sign: dict[str, Any]) -> bool:
    if sign["machine"] == _place()["machine"]:
        return _start_of(sign["pid"]) == str(sign["process"])
    return time.time() - float(sign["at"]) < LEASE


def _key(key: str, name: str) -> str:
    return f"{key}/{_PREFIX}{name}.json"


def _place() -> dict[str, Any]:
    return {"machine": _machine(), "pid": os.getpid(), "process": _start_of(os.getpid())}


@cache
def _machine() -> str:
    """Name the machine and its room of process ids: two containers of a machine do not see each other's processes."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return uuid.uuid4().hex  # no such place: the lease decides


def _start_of(pid: int) -> str:
    """Say when a process started, in ticks since the machine did; '' where there is none, or a dead one."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
