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
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from mlops_provider.store.store import Store

BEAT = 10.0
"""Seconds between two signs of life."""
LEASE = 120.0
"""Seconds after the last sign of life from which a worker on another machine counts as dead."""


@dataclass(slots=True)
class Worker:
    """This worker: a process, or a thread of one. `parent` is a process without which it ends in mid-trial."""

    store: Store
    key: str
    name: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    parent: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._say()
        threading.Thread(target=self._beat, daemon=True, name=f"lease {self.name}").start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._say()

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
        sign = {**_place(), "at": time.time(), "over": self._over.is_set()}
        self.store.files.write(_key(self.key, self.name), json_bytes(sign))


def alive(store: Store, key: str, name: str) -> bool:
    """Say whether a worker of a search lives."""
    try:
        sign: dict[str, Any] = json.loads(store.files.read(_key(key, name)))
    except FileNotFoundError:
        return False
    if sign["over"]:
        return False
    here = _place()
    if sign["machine"] == here["machine"]:
        return _start_of(sign["pid"]) == str(sign["process"])
    return time.time() - float(sign["at"]) < LEASE


def _key(key: str, name: str) -> str:
    return f"{key}/workers/{name}.json"


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
