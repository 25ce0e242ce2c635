"""The two routes that must be fast, as a plain ASGI application: `/invocations` and `/v2/models/<name>/infer`.

Request and Response objects and the routing of a framework cost as much as predicting one row, so these are read
and written directly; everything else is in `app.py`.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from mlops_provider.exceptions import RequestError
from mlops_provider.serving import answers
from mlops_provider.serving.answers import RefusedError
from mlops_provider.serving.payload import Rows, parse_inference, parse_invocation
from mlops_provider.serving.prediction_log import Entry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mlops_provider.serving.directory import Directory
    from mlops_provider.serving.model import Answer, ServedModel
    from mlops_provider.serving.prediction_log import PredictionLog
    from mlops_provider.serving.telemetry import Telemetry
    from mlops_provider.store.models import Signature

    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

MAX_BYTES = 10 * 1024 * 1024
LARGE_BYTES = 50_000
"""A body of this size is read and predicted in a thread, so that others are answered meanwhile."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PATH = re.compile(
    r"(?:/(?P<workflow>[^/]+)/(?P<environment>[^/]+))?"
    r"/(?:invocations|v2/models/(?P<name>[^/]+)(?:/versions/(?P<version>[^/]+))?/infer)"
)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Form:
    """How a route reads its body and writes its answer."""

    parse: Callable[[Any, Signature], Rows]
    write: Callable[[ServedModel, Answer, str], dict[str, Any]]


INVOCATION = Form(parse_invocation, answers.mlflow_answer)
INFERENCE = Form(parse_inference, answers.inference_answer)


class Predictions:
    """Answers prediction requests, counts them and logs what was predicted."""

    def __init__(self, directory: Directory, log: PredictionLog, telemetry: Telemetry) -> None:
        self.directory = directory
        self.log = log
        self.telemetry = telemetry

    @staticmethod
    def takes(scope: dict[str, Any]) -> bool:
        """Say whether a request is one of these."""
        path: str = scope["path"]
        return scope["method"] == "POST" and path.endswith(("/invocations", "/infer")) and bool(_PATH.fullmatch(path))

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Read, predict, log, answer; what is wrong with the request becomes a 4xx answer."""
        started = time.perf_counter()
        service, version, status, rows = "", "", 500, 0
        request_id = uuid.uuid4().hex
        content = b""
        try:
            headers = dict(scope["headers"])
            match = _PATH.fullmatch(scope["path"])
            where = match.groupdict() if match else {}
            self.directory.authorize(headers.get(b"authorization", b""))
            host, served = self.directory.model(where)
            service, version = host.name, served.version.version
            body = await _body(headers, receive)
            request_id = _checked_id(headers.get(b"x-request-id", b"").decode("latin-1")) or request_id
            form = INFERENCE if where.get("name") else INVOCATION
            if len(body) < LARGE_BYTES:
                answer, given = _predict(served, form, body)
            else:
                answer, given = await asyncio.to_thread(_predict, served, form, body)
            request_id = given or request_id
            content = orjson.dumps(form.write(served, answer, request_id))
            status, rows = 200, len(answer.predictions)
            elapsed = (time.perf_counter() - started) * 1000
            self.log.append(Entry(served, host.workflow, host.environment, request_id, time.time(), elapsed, answer))
        except RequestError as err:
            status, content = 422, answers.error(err.message, err.hint)
        except RefusedError as err:
            status, content = err.status, answers.error(err.message, err.hint)
        except _ClientLeftError:
            status = 499
            return
        except Exception:  # noqa: BLE001 (whatever fails, the client gets an answer)
            _LOG.exception("request %s to %s failed", request_id, service)
            content = answers.error("the server failed; its log says why", f"request id: {request_id}")
        finally:
            self.telemetry.answered(service, version, status, rows, time.perf_counter() - started)
        await _send(send, status, content, request_id)


class _ClientLeftError(Exception):
    """The connection was closed before the whole body came."""


def _predict(served: ServedModel, form: Form, body: bytes) -> tuple[Answer, str]:
    """Give the answer, and the request id that the body names, or ''."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as err:
        raise RefusedError(400, f"the body is not JSON: {err}", "NaN is written as null") from err
    given = _checked_id(value["id"]) if form is INFERENCE and isinstance(value, dict) and value.get("id") else ""
    booleans = b"true" in body or b"false" in body
    return served.predict(form.parse(value, served.signature), booleans=booleans), given


async def _body(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    length = headers.get(b"content-length", b"")
    announced = int(length) if length.isdigit() else 0
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientLeftError
        part = message.get("body", b"")
        size += len(part)
        if max(size, announced) > MAX_BYTES:
            raise RefusedError(
                413, f"the body has {max(size, announced):,} bytes or more, at most {MAX_BYTES:,} are taken",
                "send fewer rows at once",
            )  # fmt: skip
        parts.append(part)
        more = message.get("more_body", False)
    if not size:
        raise RefusedError(400, "the body is empty", "send JSON")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _checked_id(given: Any) -> str:
    if given and not (isinstance(given, str) and _REQUEST_ID.fullmatch(given)):
        raise RequestError("the request id is not usable", hint="use up to 64 letters, digits, '.', '_' or '-'")
    return given or ""


async def _send(send: Send, status: int, content: bytes, request_id: str) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
        (b"x-request-id", request_id.encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
