"""Run a metric's process: for so long and no longer, its output kept within bounds and without secrets."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

_KEPT = 64_000
_CHILD = "mlops_provider.runtime.own_metrics.child"


def run_child(folder: Path, timeout: float) -> tuple[int | None, str]:
    """Give the exit code, None where it was ended after `timeout` seconds, and the end of what was printed.

    The process and all that it started are killed, wherever they are stuck.
    """
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", _CHILD, folder],  # what it prints keeps its order
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    printed = bytearray()
    reader = threading.Thread(target=_keep, args=(process.stdout, printed), daemon=True)
    reader.start()
    try:
        code: int | None = process.wait(timeout)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        reader.join(1)
        if process.stdout is not None and not reader.is_alive():  # what left the group may hold it open
            process.stdout.close()
    return code, bytes(printed).decode(errors="replace")


def _keep(stream: BinaryIO | None, printed: bytearray) -> None:
    """Keep the end of a stream."""
    while stream is not None and (block := stream.read1(_KEPT)):  # type: ignore[attr-defined] # a buffered reader
        printed += block
        del printed[:-_KEPT]
