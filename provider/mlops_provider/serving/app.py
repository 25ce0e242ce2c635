"""The server's routes. One service: at the root; all services: below /<workflow>/<environment>.

With keys or tokens, the routes that predict or describe a model want one. Not protected are /health, /live, /ready,
/v2, /v2/health/…, /metrics and the pages without what they show: probes and scrapers carry no secrets. /metrics names
services, versions and numbers of requests; put the server behind a proxy where that must not be seen.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from mlops_provider.serving import answers
from mlops_provider.serving.answers import RefusedError
from mlops_provider.serving.openapi import OpenApi
from mlops_provider.serving.try_form import try_form

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_provider.serving.callers import Caller
    from mlops_provider.serving.directory import Directory
    from mlops_provider.serving.host import Host
    from mlops_provider.serving.predictions import Predictions
    from mlops_provider.serving.telemetry import Telemetry

_STATIC = Path(__file__).parent / "static"
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data: blob:"
)


class ModelServer(FastAPI):
    """The application: predictions take the short way, everything else FastAPI's. `draining`: it is about to end."""

    predictions: Predictions
    draining: bool = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["type"] == "http" and self.predictions.takes(scope):
            await self.predictions(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class Routes:
    """The handlers of what is not a prediction."""

    def __init__(self, app: ModelServer, directory: Directory, telemetry: Telemetry) -> None:
        self.app = app
        self.directory = directory
        self.telemetry = telemetry
        self.openapi = OpenApi(directory, app.predictions.limits)

    async def health(self) -> Response:
        """Say that the process lives."""
        return _ok({"live": True})

    async def metrics(self) -> Response:
        """Give the metrics in Prometheus form."""
        text = await run_in_threadpool(self.telemetry.text)
        return Response(text, media_type="text/plain; version=0.0.4")

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
        if self.app.draining:
            raise RefusedError(503, "not ready", "the server is about to end")
        if waiting or not (follower.started or where):
            reasons = "; ".join(f"{host.name}: {host.reason()}" for host in waiting)
            raise RefusedError(503, "not ready", reasons or "the deployment records were not read yet")
        return _ok({"ready": True, "services": {host.name: _version(host) for host in hosts}})

    async def services(self, request: Request) -> Response:
        """List the services that the caller may use: versions, weights, roles, and how each is."""
        caller = self._caller(request)
        return _ok({"services": [_summary(host) for host in self.directory.hosts(caller)]})

    async def describe(self, request: Request) -> Response:
        """Describe the model: name, versions, inputs and outputs."""
        host = self.directory.host(request.path_params, self._caller(request))
        served = self.directory.named(host, request.path_params.get("version"))
        return _ok(answers.description(host.workflow, served))

    async def schema(self, request: Request) -> Response:
        """Give the OpenAPI document of the services that the caller may use."""
        caller = self._caller(request)
        return _ok(await run_in_threadpool(self.openapi.document, caller))

    async def form(self, request: Request) -> Response:
        """Give what the page to try a service shows: its features and a golden row."""
        host = self.directory.host(request.path_params, self._caller(request))
        served = self.directory.named(host, None)
        return _ok(await run_in_threadpool(try_form, served))

    async def docs(self) -> Response:
        """Give the page that explains the services."""
        return _page("docs.html")

    async def try_page(self) -> Response:
        """Give the page to try a prediction by hand."""
        return _page("try.html")

    def _caller(self, request: Request) -> Caller:
        return self.directory.callers.identify(dict(request.scope["headers"]))


def create_app(directory: Directory, predictions: Predictions, telemetry: Telemetry) -> ModelServer:
    """Make the application."""
    app = ModelServer(title="Model server", openapi_url=None, docs_url=None, redoc_url=None)
    app.predictions = predictions
    routes = Routes(app, directory, telemetry)

    @app.exception_handler(RefusedError)
    async def refused(_: Request, err: RefusedError) -> Response:
        headers = {name.decode(): value.decode() for name, value in err.headers}
        content = answers.error(err.message, err.hint)
        return Response(content, status_code=err.status, media_type="application/json", headers=headers)

    @app.exception_handler(HTTPException)
    async def unknown(_: Request, err: HTTPException) -> Response:
        content = answers.error(str(err.detail).lower(), "see /docs")
        return Response(content, status_code=err.status_code, media_type="application/json", headers=err.headers)

    plain: dict[str, Callable[..., Any]] = {
        "/metrics": routes.metrics,
        "/services": routes.services,
        "/openapi.json": routes.schema,
        "/docs": routes.docs,
        "/try/{workflow}/{environment}": routes.try_page,
    }
    for path, handler in plain.items():
        app.add_api_route(path, handler, methods=["GET"])
    model = "/v2/models/{name}"
    for prefix in ("", "/{workflow}/{environment}"):
        router = APIRouter(prefix=prefix)
        router.add_api_route("/form", routes.form, methods=["GET"])
        router.add_api_route("/v2", routes.server, methods=["GET"])
        for path in ("/health", "/live", "/v2/health", "/v2/health/live"):
            router.add_api_route(path, routes.health, methods=["GET"])
        for path in (model, f"{model}/versions/{{version}}"):
            router.add_api_route(path, routes.describe, methods=["GET"])
        for path in ("/ready", "/v2/health/ready", f"{model}/ready", f"{model}/versions/{{version}}/ready"):
            router.add_api_route(path, routes.ready, methods=["GET"])
        app.include_router(router)
    return app


def _summary(host: Host) -> dict[str, Any]:
    lineup, state = host.lineup, host.state
    answering = [
        {
            "version": served.version.version,
            "weight": served.version.weight,
            "role": lineup.role(served),
            "engine": served.engine,
        }
        for served in lineup.served
    ]
    return {
        "service": host.name,
        "revision": state.revision,
        "answering": answering,
        "shadow": lineup.shadow.version.version if lineup.shadow else None,
        "alternate": lineup.alternate.version.version if lineup.alternate else None,
        "versions": state.versions,
        "trouble": state.trouble,
    }


def _version(host: Host) -> str | None:
    return host.active.version.version if host.active else None


def _ok(content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content, default=str), media_type="application/json")


def _page(name: str) -> Response:
    headers = {
        "content-security-policy": _POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }
    return Response((_STATIC / name).read_bytes(), media_type="text/html; charset=utf-8", headers=headers)
