"""The server's routes. One service: at the root; all services: below /<workflow>/<environment>.

With a token, the routes that predict or describe a model want `Authorization: Bearer <token>`. Not protected are
/health, /ready, /v2, /v2/health/… and /metrics: probes and scrapers carry no secrets. /metrics names services,
versions and numbers of requests; put the server behind a proxy where that must not be seen.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import APIRouter, FastAPI, Request, Response

from mlops_provider.serving import answers
from mlops_provider.serving.answers import RefusedError
from mlops_provider.serving.predictions import Predictions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mlops_provider.serving.directory import Directory
    from mlops_provider.serving.host import Host
    from mlops_provider.serving.prediction_log import PredictionLog
    from mlops_provider.serving.telemetry import Telemetry

_DESCRIPTION = """Predictions by `POST /invocations` (MLflow's body: dataframe_split, dataframe_records, instances or
inputs) and `POST /v2/models/{name}/infer` (Open Inference Protocol)."""


class ModelServer(FastAPI):
    """The application: predictions take the short way, everything else FastAPI's."""

    predictions: Predictions

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["type"] == "http" and self.predictions.takes(scope):
            await self.predictions(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class Routes:
    """The handlers of what is not a prediction."""

    def __init__(self, directory: Directory, telemetry: Telemetry) -> None:
        self.directory = directory
        self.telemetry = telemetry

    async def health(self) -> Response:
        """Say that the process lives."""
        return _ok({"live": True})

    async def metrics(self) -> Response:
        """Give the metrics in Prometheus form."""
        return Response(self.telemetry.text(), media_type="text/plain; version=0.0.4")

    async def server(self) -> Response:
        """Name the server, as the Open Inference Protocol asks."""
        return _ok({"name": "mlops", "version": "2", "extensions": []})

    async def ready(self, request: Request) -> Response:
        """Say whether a model that passed its golden rows answers; at the root of many services: for all of them."""
        follower, where = self.directory.follower, request.path_params
        hosts = list(follower.hosts.values())
        if follower.only or where:
            hosts = [self.directory.host(where)]
        waiting = [host for host in hosts if host.active is None and (follower.only or where or host.wanted)]
        if waiting or not follower.started:
            reasons = "; ".join(f"{host.name}: {host.reason()}" for host in waiting)
            raise RefusedError(503, "not ready", reasons or "the deployment records were not read yet")
        return _ok({"ready": True, "services": {host.name: _version(host) for host in hosts}})

    async def describe(self, request: Request) -> Response:
        """Describe the model: name, versions, inputs and outputs."""
        self.directory.authorize(request.headers.get("authorization", "").encode())
        host, served = self.directory.model(request.path_params)
        return _ok(answers.description(host.workflow, served))


def create_app(directory: Directory, log: PredictionLog, telemetry: Telemetry) -> ModelServer:
    """Make the application; it starts the follower and, at its end, closes follower and log."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        directory.follower.start()
        try:
            yield
        finally:
            directory.follower.close()
            log.close()

    app = ModelServer(title="Model server", description=_DESCRIPTION, lifespan=lifespan)
    app.predictions = Predictions(directory, log, telemetry)
    routes = Routes(directory, telemetry)

    @app.exception_handler(RefusedError)
    async def refused(_: Request, err: RefusedError) -> Response:
        return Response(answers.error(err.message, err.hint), status_code=err.status, media_type="application/json")

    for path in ("/health", "/v2/health/live"):
        app.add_api_route(path, routes.health, methods=["GET"])
    app.add_api_route("/metrics", routes.metrics, methods=["GET"])
    app.add_api_route("/v2", routes.server, methods=["GET"])
    model = "/v2/models/{name}"
    for prefix in ("", "/{workflow}/{environment}"):
        router = APIRouter(prefix=prefix)
        for path in (model, f"{model}/versions/{{version}}"):
            router.add_api_route(path, routes.describe, methods=["GET"])
        for path in ("/ready", "/v2/health/ready", f"{model}/ready", f"{model}/versions/{{version}}/ready"):
            router.add_api_route(path, routes.ready, methods=["GET"])
        app.include_router(router)
    return app


def _version(host: Host) -> str | None:
    return host.active.version.version if host.active else None


def _ok(content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
