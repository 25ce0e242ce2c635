"""The server's routes. One service: at the root; all services: below /<workflow>/<environment>.

With a token, the routes that predict or describe a model want `Authorization: Bearer <token>`. Health, readiness
and metrics stay open: probes and scrapers carry no secrets.
"""

from __future__ import annotations

import re
import secrets
import time
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool

from mlops_provider.exceptions import RequestError
from mlops_provider.serving.payload import Rows, parse_inference, parse_invocation
from mlops_provider.serving.prediction_log import Entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mlops_provider.serving.host import Follower, Host
    from mlops_provider.serving.model import Answer, ServedModel
    from mlops_provider.serving.prediction_log import PredictionLog
    from mlops_provider.serving.telemetry import Telemetry
    from mlops_provider.store.models import Signature

MAX_BYTES = 10 * 1024 * 1024
LARGE_ROWS = 200
"""From so many rows on, the model works in a thread, so that others are answered meanwhile."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DATATYPES = {"i": "INT64", "f": "FP64", "b": "BOOL"}


class RefusedError(Exception):
    """A request that is answered with an error status."""

    def __init__(self, status: int, message: str, hint: str = "") -> None:
        self.status = status
        self.message = message
        self.hint = hint
        super().__init__(message)


class Routes:
    """The handlers, over what the server holds."""

    def __init__(self, follower: Follower, log: PredictionLog, telemetry: Telemetry, token: str = "") -> None:
        self.follower = follower
        self.log = log
        self.telemetry = telemetry
        self.token = token

    def host(self, request: Request) -> Host:
        """Give the host that a request means."""
        path = request.path_params
        key = (path["workflow"], path["environment"]) if "workflow" in path else self.follower.only
        host = self.follower.hosts.get(key) if key else None
        if host is None:
            known = ", ".join(f"/{workflow}/{environment}" for workflow, environment in sorted(self.follower.hosts))
            raise RefusedError(404, "there is no such service here", f"services: {known or 'none yet'}")
        return host

    def model(self, request: Request) -> tuple[Host, ServedModel]:
        """Give host and active model, for callers who may use them."""
        self.authorize(request)
        host = self.host(request)
        path = request.path_params
        if path.get("name", host.service.workflow) != host.service.workflow:
            raise RefusedError(404, f"there is no model '{path['name']}' here", f"its name is {host.service.workflow}")
        served = host.active
        if served is None:
            raise RefusedError(503, f"{host.service.name} has no model yet", _reason(host))
        if path.get("version", served.version.version) != served.version.version:
            raise RefusedError(
                404, f"version {path['version']} does not answer", f"version {served.version.version} does"
            )
        return host, served

    def authorize(self, request: Request) -> None:
        """Refuse callers without the token, where there is one."""
        given = request.headers.get("authorization", "")
        if self.token and not secrets.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
            raise RefusedError(401, "a token is needed", "send 'Authorization: Bearer <token>'")

    async def invocations(self, request: Request) -> Response:
        """Predict for a body in MLflow's form."""
        return await self.answer(request, parse_invocation, _mlflow_answer)

    async def infer(self, request: Request) -> Response:
        """Predict for a body in the form of the Open Inference Protocol."""
        return await self.answer(request, parse_inference, _inference_answer)

    async def answer(
        self,
        request: Request,
        parse: Callable[[Any, Signature], Rows],
        write: Callable[[ServedModel, Answer, str], dict[str, Any]],
    ) -> Response:
        """Read, predict, log, answer; what is wrong with the request becomes a 4xx answer."""
        started, service, version, status, rows = time.perf_counter(), "", "", 500, 0
        try:
            host, served = self.model(request)
            service, version = host.service.name, served.version.version
            body = await _json(request)
            request_id = _request_id(request, body)
            table = parse(body, served.signature)
            if len(table.cells) > LARGE_ROWS:
                answer = await run_in_threadpool(served.predict, table)
            else:
                answer = served.predict(table)
            status, rows = 200, len(answer.predictions)
            content = orjson.dumps(write(served, answer, request_id), option=orjson.OPT_SERIALIZE_NUMPY)
            elapsed = (time.perf_counter() - started) * 1000
            environment = host.service.environment
            self.log.append(Entry(served, environment, request_id, time.time(), elapsed, status, answer))
            return Response(content, media_type="application/json", headers={"X-Request-Id": request_id})
        except RequestError as err:
            status = 422
            return _error(status, err.message, err.hint)
        except RefusedError as err:
            status = err.status
            return _error(status, err.message, err.hint)
        finally:
            self.telemetry.answered(service, version, status, rows, time.perf_counter() - started)

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
        """Say whether a model that passed its golden rows answers."""
        host = self.host(request)
        if host.active is None:
            return _error(503, f"{host.service.name} has no model yet", _reason(host))
        return _ok({"ready": True, "service": host.service.name, "version": host.active.version.version})

    async def describe(self, request: Request) -> Response:
        """Describe the model: name, versions, inputs and outputs."""
        host, served = self.model(request)
        inputs = [{"name": f.name, "datatype": _input_type(f.type), "shape": [-1]} for f in served.signature.features]
        outputs = [{"name": "predict", "datatype": _output_type(served.signature), "shape": [-1]}]
        if served.signature.classes:
            outputs.append({"name": "probabilities", "datatype": "FP64", "shape": [-1, len(served.signature.classes)]})
        content = {
            "name": host.service.workflow,
            "versions": [served.version.version],
            "platform": "sklearn",
            "inputs": inputs,
            "outputs": outputs,
        }
        return _ok(content)


def create_app(routes: Routes) -> FastAPI:
    """Make the application; it starts the follower and, at its end, closes follower and log."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        routes.follower.start()
        try:
            yield
        finally:
            routes.follower.close()
            routes.log.close()

    description = "Predictions by MLflow's and the Open Inference Protocol."
    app = FastAPI(title="Model server", description=description, lifespan=lifespan)

    @app.exception_handler(RefusedError)
    async def refused(_: Request, err: RefusedError) -> Response:
        return _error(err.status, err.message, err.hint)

    for path in ("/health", "/v2/health/live"):
        app.add_api_route(path, routes.health, methods=["GET"])
    app.add_api_route("/metrics", routes.metrics, methods=["GET"])
    app.add_api_route("/v2", routes.server, methods=["GET"])
    for prefix in ("", "/{workflow}/{environment}"):
        router = APIRouter(prefix=prefix)
        router.add_api_route("/invocations", routes.invocations, methods=["POST"])
        model = "/v2/models/{name}"
        for path in (f"{model}/infer", f"{model}/versions/{{version}}/infer"):
            router.add_api_route(path, routes.infer, methods=["POST"])
        for path in (model, f"{model}/versions/{{version}}"):
            router.add_api_route(path, routes.describe, methods=["GET"])
        for path in ("/ready", "/v2/health/ready", f"{model}/ready"):
            router.add_api_route(path, routes.ready, methods=["GET"])
        app.include_router(router)
    return app


async def _json(request: Request) -> Any:
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > MAX_BYTES:
        raise RefusedError(
            413, f"the body has {int(length):,} bytes, at most {MAX_BYTES:,} are taken", "send fewer rows"
        )
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BYTES:
            raise RefusedError(413, f"the body has more than {MAX_BYTES:,} bytes", "send fewer rows")
        parts.append(part)
    if not size:
        raise RefusedError(400, "the body is empty", "send JSON")
    try:
        return orjson.loads(b"".join(parts))
    except orjson.JSONDecodeError as err:
        raise RefusedError(400, f"the body is not JSON: {err}") from err


def _request_id(request: Request, body: Any) -> str:
    given = request.headers.get("x-request-id") or (body.get("id") if isinstance(body, dict) else None)
    if given is None:
        return uuid.uuid4().hex
    if not isinstance(given, str) or not _REQUEST_ID.fullmatch(given):
        raise RequestError("the request id is not usable", hint="use up to 64 letters, digits, '.', '_' or '-'")
    return given


def _mlflow_answer(_served: ServedModel, answer: Answer, _request_id: str) -> dict[str, Any]:
    return {"predictions": answer.predictions.tolist()}


def _inference_answer(served: ServedModel, answer: Answer, request_id: str) -> dict[str, Any]:
    predictions = answer.predictions
    kind = _DATATYPES.get(predictions.dtype.kind, "BYTES")
    data = predictions.tolist() if kind != "BYTES" else [str(value) for value in predictions]
    outputs = [{"name": "predict", "shape": [len(predictions)], "datatype": kind, "data": data}]
    if answer.probabilities is not None:
        shape = list(answer.probabilities.shape)
        flat = answer.probabilities.ravel().tolist()
        outputs.append({"name": "probabilities", "shape": shape, "datatype": "FP64", "data": flat})
    return {
        "model_name": served.loaded.ref.name,
        "model_version": served.version.version,
        "id": request_id,
        "outputs": outputs,
    }


def _input_type(kind: str) -> str:
    return {"string": "BYTES", "boolean": "BOOL"}.get(kind, "FP64")


def _output_type(signature: Signature) -> str:
    return {"string": "BYTES", "boolean": "BOOL", "integer": "INT64"}.get(signature.target_type, "FP64")


def _reason(host: Host) -> str:
    said = [f"version {version}: {state['status']} {state['message']}" for version, state in host.state.items()]
    return "; ".join(said) or "nothing was deployed"


def _ok(content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")


def _error(status: int, message: str, hint: str = "") -> Response:
    content = orjson.dumps({"error": message, **({"hint": hint} if hint else {})})
    return Response(content, status_code=status, media_type="application/json")
