"""A child process with everything that it starts, in a process group of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class ProcessGroup:
    """A command in a process group of its own, its output in a file; stopping it ends the whole group."""

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                list(command),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def alive(self) -> bool:
        """Say whether the command still runs."""
        return self.process.poll() is None

    def stop(self, grace: float = 15.0) -> None:
        """End the group: ask, wait up to `grace` seconds, then kill what is left."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + grace
        while self._exists() and time.monotonic() < deadline:
            self.process.poll()
            time.sleep(0.1)
        self._signal(signal.SIGKILL)
        self.process.wait()

    def tail(self, lines: int = 20) -> str:
        """Give the last lines of the output."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _exists(self) -> bool:
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return
