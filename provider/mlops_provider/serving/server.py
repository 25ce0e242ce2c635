"""The server process: follower, prediction log and HTTP, started and stopped together."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

from mlops_provider.exceptions import ConfigError

if TYPE_CHECKING:
    from mlops_provider.serving.host import Host

_SWITCH_SECONDS = 0.0005
_ANY = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 (recognised, not bound to)


def serve(
    store_url: str,
    *,
    service: tuple[str, str] | None,
    host: str = "127.0.0.1",
    port: int = 8600,
    token: str = "",
    public_url: str = "",
) -> None:
    """Serve one service, or all services of a store, until SIGTERM or SIGINT; then write the rest of the log.

    `token`: predictions want it as a bearer token. `public_url` is where others reach the server, when that is not
    `host` and `port`.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # many threads for one row cost more than they give
    sys.setswitchinterval(_SWITCH_SECONDS)  # the log's thread must not hold up a prediction for 5 ms
    import uvicorn

    from mlops_provider.serving.app import create_app
    from mlops_provider.serving.directory import Directory
    from mlops_provider.serving.follower import Follower
    from mlops_provider.serving.prediction_log import PredictionLog
    from mlops_provider.serving.telemetry import Telemetry
    from mlops_provider.store.store import Store

    _check_port(host, port)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    store, telemetry = Store(store_url), Telemetry()
    base = public_url.rstrip("/") or f"http://{socket.gethostname() if host in _ANY else host}:{port}"

    def url(followed: Host) -> str:
        return base if service else f"{base}/{followed.name}"

    def switched(changed: Host) -> None:
        version = changed.active.version if changed.active else None
        telemetry.active(changed.name, version.version if version else "", version.model.digest if version else "")

    server_id = f"{socket.gethostname()}-{os.getpid()}-{port}"
    follower = Follower(store, server_id, url, only=service, on_switch=switched)
    log = PredictionLog(store, dropped=telemetry.dropped)
    app = create_app(Directory(follower, token), log, telemetry)
    config = uvicorn.Config(
        app, host=host, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=10
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn ends gracefully, then hands the signal on
    uvicorn.Server(config).run()


def _check_port(host: str, port: int) -> None:
    """Refuse a port that is taken before anything starts."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as err:
            raise ConfigError(
                f"{host}:{port} cannot be listened on: {err.strerror}", hint="choose another --port"
            ) from err
