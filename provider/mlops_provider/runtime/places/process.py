"""A child process that does the work of a phase: its log is passed on, and it ends with its task."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from collections import deque
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_KEPT = 40
_BLOCK = 1 << 16
_LONGEST_LINE = 1 << 20
_TURN = 0.5


class Lines:
    """Takes what a process writes and passes it on line by line, the last of its output held back: the result."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.last = ""
        self.log: deque[str] = deque(maxlen=_KEPT)
        self._parts = {1: b"", 2: b""}

    def take(self, stream: int, block: bytes) -> None:
        """Take some bytes of output (1) or of errors (2)."""
        *lines, rest = (self._parts[stream] + block).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        self._parts[stream] = rest
        for line in lines:
            self._line(stream, line)

    def end(self) -> None:
        """Take the lines that were not ended."""
        for stream, rest in self._parts.items():
            if rest:
                self._line(stream, rest)

    def _line(self, stream: int, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        if stream == 1:
            text, self.last = self.last, text
        else:
            self.log.append(text)
        if text:
            self.say(text)


class Child:
    """A process in a session of its own, with all that it starts."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self.process = subprocess.Popen(
            command, env=dict(environment), cwd=folder, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def follow(self, text: str, lines: Lines) -> int:
        """Give it its first line of input, pass on its log until it ends, and give its exit code."""
        streams: dict[int, IO[bytes] | None] = {1: self.process.stdout, 2: self.process.stderr}
        try:
            self._give(text)
            with selectors.DefaultSelector() as selector:
                for number, stream in streams.items():
                    selector.register(stream, selectors.EVENT_READ, number)  # type: ignore[arg-type]
                while selector.get_map():
                    ready = selector.select(_TURN)
                    for key, _ in ready:
                        block = os.read(key.fd, _BLOCK)
                        lines.take(key.data, block)
                        if not block:
                            selector.unregister(key.fileobj)
                    if not ready and self.process.poll() is not None:
                        break  # what it started may hold its output open
            lines.end()
            return self.process.wait()
        finally:
            self.kill()

    def kill(self) -> None:
        """End the process and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr] # all three are pipes

    def _give(self, text: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # it ended already, and says why
            self.process.stdin.write(f"{text}\n".encode())  # type: ignore[union-attr]
            self.process.stdin.flush()  # type: ignore[union-attr]
