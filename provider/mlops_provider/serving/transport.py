"""HTTP by uvicorn: its configuration, a protocol that does not wait for ever, and an end that drains first."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from types import FrameType

    from mlops_provider.serving.app import ModelServer
    from mlops_provider.serving.options import ServeOptions

_CONNECTIONS = 2000


def http_config(app: ModelServer, options: ServeOptions, grace: int) -> uvicorn.Config:
    """Give uvicorn's configuration."""

    class Protocol(PatientProtocol):
        patience = options.limits.read_seconds
        model_server = app

    tls: dict[str, Any] = {}
    if options.tls_cert:
        tls = {"ssl_certfile": options.tls_cert, "ssl_keyfile": options.tls_key, "ssl_version": ssl.PROTOCOL_TLS_SERVER}
    return uvicorn.Config(
        app,
        http=Protocol,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=grace,
        **tls,
    )


class PatientProtocol(HttpToolsProtocol):
    """Closes a connection whose request's head does not arrive whole within `patience` seconds."""

    patience = 10.0
    model_server: ModelServer
    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for a head."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._head_came()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Take note that a request begins: on a connection that was kept alive, another head is waited for."""
        super().on_message_begin()
        if self._head is None:
            self._wait_for_head()

    def on_headers_complete(self) -> None:
        """Take note that the head is there."""
        self._head_came()
        if self.model_server.draining:  # the client shall ask the next one elsewhere
            self.headers.append((b"connection", b"close"))
        super().on_headers_complete()

    def _wait_for_head(self) -> None:
        self._head = self.loop.call_later(self.patience, self._close_slow)

    def _head_came(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _close_slow(self) -> None:
        self._head = None
        if not self.transport.is_closing():
            self.transport.close()


class HttpServer(uvicorn.Server):
    """Ends on a signal after it has said for `drain` seconds that it is not ready."""

    def __init__(self, config: uvicorn.Config, app: ModelServer, drain: float) -> None:
        super().__init__(config)
        self._app = app
        self._drain = drain
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: Any = None) -> None:
        """Start."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; a second signal ends at once."""
        if self._drain and not self._app.draining and self._loop:
            self._app.draining = True
            self._captured_signals.append(sig)
            self._loop.call_soon_threadsafe(self._loop.call_later, self._drain, self.stop_soon)
        else:
            super().handle_exit(sig, frame)

    def stop_soon(self) -> None:
        """End once the requests in work are answered."""
        self.should_exit = True
