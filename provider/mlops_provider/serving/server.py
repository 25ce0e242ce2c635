"""The server process: follower, prediction log and HTTP, started and stopped together."""

from __future__ import annotations

import logging
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops_provider.store.services import Service

TOKEN_VARIABLE = "MLOPS_SERVE_TOKEN"  # noqa: S105 (the name of the variable, not a secret)


def serve(store_url: str, *, service: tuple[str, str] | None, host: str, port: int) -> None:
    """Serve one service, or all services of a store, until SIGTERM or SIGINT; then write the log's rest."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # many threads for one row cost more than they give
    import uvicorn

    from mlops_provider.serving.app import Routes, create_app
    from mlops_provider.serving.host import Follower, Host
    from mlops_provider.serving.prediction_log import PredictionLog
    from mlops_provider.serving.telemetry import Telemetry
    from mlops_provider.store.store import Store

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    store, telemetry = Store(store_url), Telemetry()

    def url(followed: Service) -> str:
        base = f"http://{host if host != '0.0.0.0' else socket.gethostname()}:{port}"  # noqa: S104 (a comparison)
        return base if service else f"{base}/{followed.name}"

    def switched(changed: Host) -> None:
        if changed.active:
            version = changed.active.version
            telemetry.active(changed.service.name, version.version, version.model.digest)

    server_id = f"{socket.gethostname()}-{os.getpid()}-{port}"
    follower = Follower(store, server_id, url, only=service)
    follower.on_switch = switched
    log = PredictionLog(store, dropped=telemetry.dropped)
    app = create_app(Routes(follower, log, telemetry, os.environ.get(TOKEN_VARIABLE, "")))
    config = uvicorn.Config(
        app, host=host, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=10
    )
    uvicorn.Server(config).run()
