"""The end of a process whose task has ended: the task holds its standard input open, and the kernel closes it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading


def read_attached() -> str:
    """Read the first line of standard input; when the input ends, end this process and those that it started."""
    text = sys.stdin.buffer.readline().decode()
    threading.Thread(target=_watch, daemon=True).start()
    return text


def _watch() -> None:
    while os.read(0, 1 << 16):  # not the buffered reader: Python cannot end while a thread waits in it
        pass
    with contextlib.suppress(OSError):  # nobody may listen any more
        os.write(2, b"the task that this work belongs to has ended\n")
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)  # which the first process of a container does not hear
    os._exit(75)
