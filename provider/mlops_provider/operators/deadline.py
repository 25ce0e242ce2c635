"""The end of a task that no longer listens: Airflow's timeout is a signal, which code in C does not hear."""

from __future__ import annotations

import faulthandler
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

GRACE = 20.0
"""Seconds that a task has after its timeout to end by itself."""
_STDERR = 2


@contextmanager
def deadline(limit: timedelta | None, grace: float = GRACE) -> Iterator[None]:
    """End this process some seconds after the task's timeout, with every thread's place in the log.

    Airflow raises its timeout in Python code, between two of its steps: a fit that is stuck in a library's C code goes
    on. The watch here is a thread of C that needs no interpreter. What it ends was killed as by `kill -9`: nothing that
    is half-written counts, since the store writes a manifest last.
    """
    if limit is None:
        yield
        return
    faulthandler.dump_traceback_later(limit.total_seconds() + grace, exit=True, file=_STDERR)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
