"""A door that stays while the servers behind it change: `python -m mlops_provider.serving.front NAME PORT`.

It listens on a port and hands every connection to one of the addresses that NAME resolves to (containers of one
network, by their common alias) and that say of themselves that they are ready. A server that drains says that it is
not, and gets no new connection. Standard library only, so that it starts at once in any image with our code.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from itertools import cycle

_LOOK_SECONDS = 0.25
_PROBE_SECONDS = 2.0
_PATIENCE_SECONDS = 10.0
_DRAIN_SECONDS = 20.0
_PIECE = 1 << 16
_NOBODY = b'{"error": "no server is ready"}'
_UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_NOBODY), _NOBODY)
)


class Front:
    """Knows who is ready and moves bytes."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = port
        self.ready: list[str] = []
        self.changed = asyncio.Event()
        self._turn = cycle(range(1 << 30))
        self._open: set[asyncio.Task[None]] = set()

    async def watch(self) -> None:
        """Ask again and again who is there and ready."""
        while True:
            addresses = await self._addresses()
            answers = await asyncio.gather(*(self._is_ready(address) for address in addresses))
            ready = [address for address, good in zip(addresses, answers, strict=True) if good]
            if ready != self.ready:
                logging.getLogger(__name__).info("ready: %s", ", ".join(ready) or "nobody")
            self.ready = ready
            if ready:
                self.changed.set()
            else:
                self.changed.clear()
            await asyncio.sleep(_LOOK_SECONDS)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: give it to a server, move bytes until either side is done."""
        task = asyncio.current_task()
        if task is not None:
            self._open.add(task)
            task.add_done_callback(self._open.discard)
        try:
            server = await self._server()
            if server is None:
                writer.write(_UNAVAILABLE)
                await writer.drain()
                return
            back, forth = server
            asking = asyncio.create_task(_move(reader, forth))
            try:
                await _move(back, writer)  # when the server has said all, nothing more can come
            finally:
                asking.cancel()
                forth.close()
        except OSError:
            pass  # one side went away
        finally:
            writer.close()

    async def drain(self) -> None:
        """Wait for the connections in work."""
        if self._open:
            await asyncio.wait(self._open, timeout=_DRAIN_SECONDS)

    async def _server(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Connect to a server whose turn it is; with nobody ready, wait a while."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.changed.wait(), _PATIENCE_SECONDS)
        ready = list(self.ready)
        first = next(self._turn)
        for offset in range(len(ready)):
            with contextlib.suppress(OSError, TimeoutError):
                address = ready[(first + offset) % len(ready)]
                return await asyncio.wait_for(asyncio.open_connection(address, self.port), _PROBE_SECONDS)
        return None

    async def _addresses(self) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self.name, self.port, type=socket.SOCK_STREAM)
        except socket.gaierror:
            return []
        return sorted({str(address[4][0]) for address in found})

    async def _is_ready(self, address: str) -> bool:
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                reader, writer = await asyncio.open_connection(address, self.port)
                try:
                    writer.write(b"GET /ready HTTP/1.1\r\nhost: front\r\nconnection: close\r\n\r\n")
                    line = await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False
        return line.split(b" ")[1:2] == [b"200"]


async def _move(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Move bytes one way until the end, and hand the end on."""
    try:
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
    finally:
        with contextlib.suppress(OSError, RuntimeError):
            if writer.can_write_eof():
                writer.write_eof()


async def run(name: str, port: int) -> None:
    """Serve until SIGTERM, then let the connections in work end."""
    front, ended = Front(name, port), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    watching = asyncio.create_task(front.watch())
    server = await asyncio.start_server(front.serve, "0.0.0.0", port, backlog=2048)  # noqa: S104 (in its container)
    logging.getLogger(__name__).info("in front of %s on port %d", name, port)
    await ended.wait()
    server.close()
    await front.drain()
    watching.cancel()


def main(arguments: list[str]) -> int:
    """Run; 2 for wrong arguments."""
    if len(arguments) != 2 or not arguments[1].isdigit():  # noqa: PLR2004 (a name and a port)
        sys.stderr.write("python -m mlops_provider.serving.front NAME PORT\n")
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(run(arguments[0], int(arguments[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
