"""One server process: follower, prediction log and HTTP, started and stopped together."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError
from mlops_provider.serving.request_log import JsonFormatter, RequestLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_provider.serving.host import Host
    from mlops_provider.serving.options import ServeOptions

_SWITCH_SECONDS = 0.0005
_GRACE_SECONDS = 10
_FIRST_LOOK_SECONDS = 120.0


def serve(options: ServeOptions) -> None:
    """Serve until SIGTERM or SIGINT, in this process or in workers; then write the rest of the log."""
    options.check()
    start_logging(options)
    listening = listen(options.host, options.port)
    if options.workers > 1:
        from mlops_provider.serving.supervisor import Supervisor

        Supervisor(options, listening).run()
    else:
        run_server(options, listening, server_id=server_id(options.port))


def run_server(
    options: ServeOptions,
    listening: socket.socket,
    *,
    server_id: str,
    look_first: bool = False,
    on_ready: Callable[[Callable[[], None]], None] = lambda _: None,
) -> None:
    """Serve on a socket until SIGTERM or SIGINT.

    `look_first` accepts no connection before the records were read and the models loaded. `on_ready` gets what ends
    the server from another thread.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # many threads for one row cost more than they give
    sys.setswitchinterval(_SWITCH_SECONDS)  # the log's thread must not hold up a prediction for 5 ms
    from mlops_provider.serving.app import create_app
    from mlops_provider.serving.directory import Directory
    from mlops_provider.serving.engine import loader
    from mlops_provider.serving.follower import Follower
    from mlops_provider.serving.loading import LoadingMarks
    from mlops_provider.serving.model_folder import FolderFollower
    from mlops_provider.serving.prediction_log import NoPredictionLog, PredictionLog
    from mlops_provider.serving.predictions import Predictions
    from mlops_provider.serving.predictor import Predictor
    from mlops_provider.serving.shadows import Shadows
    from mlops_provider.serving.telemetry import Telemetry
    from mlops_provider.serving.transport import HttpServer, http_config
    from mlops_provider.store.store import Store

    telemetry, callers = Telemetry(), options.callers()
    store = Store(options.store_url) if options.store_url else None
    load = LoadingMarks(options.port).guard(loader(options.engine))

    def url(followed: Host) -> str:
        return options.base_url if options.service else f"{options.base_url}/{followed.name}"

    def switched(changed: Host) -> None:
        lineup = changed.lineup
        answering = {
            (model.version.version, lineup.role(model), model.version.model.digest): model.version.weight
            for model in lineup.served
        }
        telemetry.active(changed.name, answering)
        said = ", ".join(f"{version} {role} {weight} %" for (version, role, _), weight in answering.items())
        logging.getLogger(__name__).info("%s: %s", changed.name, said or "nothing answers")

    follower: Follower | FolderFollower
    if options.model_folder:
        follower = FolderFollower(Path(options.model_folder), options.service, on_switch=switched, load=load)
    else:
        follower = Follower(
            Store(options.store_url), server_id, url, only=options.service, on_switch=switched, load=load
        )
    log = PredictionLog(store, dropped=telemetry.dropped) if store else NoPredictionLog()
    shadows, request_log = Shadows(log, telemetry), RequestLog(options.request_log)
    directory, predictor = Directory(follower, callers), Predictor(options.limits, note=telemetry.in_flight)
    telemetry.capacity(options.limits.waiting)
    predictions = Predictions(directory, predictor, shadows, log, telemetry, request_log)
    follower.start()
    if look_first:
        follower.looked.wait(_FIRST_LOOK_SECONDS)
    app = create_app(directory, predictions, telemetry)
    server = HttpServer(http_config(app, options, _GRACE_SECONDS), app, options.drain_seconds)
    on_ready(server.stop_soon)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn ends gracefully, then hands the signal on
    try:
        server.run(sockets=[listening])
    finally:
        for part in (predictor, shadows, follower, log, request_log):
            _close(part)


def server_id(port: int) -> str:
    """Give the name under which this process reports."""
    return f"{socket.gethostname()}-{os.getpid()}-{port}"


def start_logging(options: ServeOptions) -> None:
    """Write the log to standard error, a line of JSON or text for each event."""
    handler = logging.StreamHandler()
    if options.log_format == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def listen(host: str, port: int) -> socket.socket:
    """Listen; refuse a port that is taken before anything starts."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, so that asyncio sets TCP_NODELAY
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(2048)
    except OSError as err:
        made.close()
        raise ConfigError(f"{host}:{port} cannot be listened on: {err.strerror}", hint="choose another --port") from err
    made.setblocking(False)
    return made


def _close(part: Any) -> None:
    try:
        part.close()
    except Exception:
        logging.getLogger(__name__).exception("%s did not end well", type(part).__name__)
