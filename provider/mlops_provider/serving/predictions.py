"""The two routes that must be fast, as a plain ASGI application: `/invocations` and `/v2/models/<name>/infer`.

Request and Response objects and the routing of a framework cost as much as predicting one row, so these are read
and written directly; everything else is in `app.py`.
"""

from __future__ import annotations

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
from mlops_provider.serving.limits import ClientLeftError, read_body
from mlops_provider.serving.payload import Rows, parse_inference, parse_invocation
from mlops_provider.serving.prediction_log import ANSWERED, FAILED, Entry
from mlops_provider.serving.shadows import Asked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mlops_provider.serving.directory import Directory
    from mlops_provider.serving.host import Host
    from mlops_provider.serving.lineup import Lineup
    from mlops_provider.serving.model import Answer, ServedModel
    from mlops_provider.serving.prediction_log import PredictionLog
    from mlops_provider.serving.predictor import Predictor
    from mlops_provider.serving.request_log import RequestLog
    from mlops_provider.serving.shadows import Shadows
    from mlops_provider.serving.telemetry import Telemetry
    from mlops_provider.store.models import Signature

    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]
    Headers = tuple[tuple[bytes, bytes], ...]

LARGE_BYTES = 50_000
"""A body of this size is read and predicted in a thread, so that others are answered meanwhile."""
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
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


@dataclass(slots=True)
class Case:
    """One request and what became of it, as metrics and log want it."""

    started: float
    request_id: str
    entity_id: str = ""
    caller: str = ""
    host: Host | None = None
    version: str = ""
    role: str = ""
    status: int = 500
    rows: int = 0
    served: ServedModel | None = None

    @property
    def service(self) -> str:
        """Name of the service, once it is known."""
        return self.host.name if self.host else ""


class Predictions:
    """Answers prediction requests, counts them and logs what was predicted."""

    def __init__(
        self,
        directory: Directory,
        predictor: Predictor,
        shadows: Shadows,
        log: PredictionLog,
        telemetry: Telemetry,
        request_log: RequestLog,
    ) -> None:
        self.directory = directory
        self.predictor = predictor
        self.limits = predictor.limits
        self.shadows = shadows
        self.log = log
        self.telemetry = telemetry
        self.request_log = request_log

    @staticmethod
    def takes(scope: dict[str, Any]) -> bool:
        """Say whether a request is one of these."""
        path: str = scope["path"]
        return path.endswith(("/invocations", "/infer")) and bool(_PATH.fullmatch(path))

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Read, predict, log, answer; what is wrong with the request becomes a 4xx answer."""
        case = Case(time.monotonic(), uuid.uuid4().hex)
        headers: Headers = ()
        content = b""
        try:
            content = await self._answer(case, scope, receive)
            case.status = 200
        except RequestError as err:
            case.status, content = 422, answers.error(err.message, err.hint)
        except RefusedError as err:
            case.status, content, headers = err.status, answers.error(err.message, err.hint), err.headers
        except ClientLeftError:
            case.status = 499
            return
        except Exception:  # noqa: BLE001 (whatever fails, the client gets an answer)
            _LOG.exception("request %s to %s failed", case.request_id, case.service)
            content = answers.error("the server failed; its log says why", f"request id: {case.request_id}")
        finally:
            seconds = time.monotonic() - case.started
            if case.status >= FAILED:
                self._log_failure(case, case.status)
            self.telemetry.answered(case.service, case.version, case.role, case.status, case.rows, seconds)
            self.request_log.say(
                case.status,
                request_id=case.request_id,
                service=case.service,
                version=case.version,
                role=case.role,
                ms=round(seconds * 1000, 3),
                rows=case.rows,
                key=case.caller,
            )
        await _send(send, case, content, headers)

    async def _answer(self, case: Case, scope: dict[str, Any], receive: Receive) -> bytes:
        headers = dict(scope["headers"])
        if scope["method"] != "POST":
            raise RefusedError(405, f"{scope['method']} is not POST", headers=((b"allow", b"POST"),))
        match = _PATH.fullmatch(scope["path"])
        where = match.groupdict() if match else {}
        caller = self.directory.callers.identify(headers)
        case.caller = caller.name
        case.host = host = self.directory.host(where, caller)
        lineup = host.lineup
        asked = self.directory.named(host, where.get("version"))
        case.request_id = _checked(headers.get(b"x-request-id"), "request id") or case.request_id
        case.entity_id = _checked(headers.get(b"x-entity-id"), "entity id")
        body = await read_body(headers, receive, self.limits)
        self.predictor.admit()
        try:
            form = INFERENCE if where.get("name") else INVOCATION
            exact = asked if where.get("version") else None
            if len(body) < LARGE_BYTES:
                served, rows, inputs = self._read(case, form, body, lineup, exact)
                answer = await self._predict(case, lineup, served, rows, inputs)
                content = orjson.dumps(form.write(answer.served, answer.answer, case.request_id))
            else:
                answer, content = await self.predictor.in_thread(
                    self._whole, case, form, body, lineup, exact, started=case.started
                )
        finally:
            self.predictor.leave()
        self._log(case, host, lineup, answer)
        return content

    def _read(
        self, case: Case, form: Form, body: bytes, lineup: Lineup, exact: ServedModel | None
    ) -> tuple[ServedModel, Rows, Any]:
        """Read the body; choose who answers; give the rows as they came and as the model takes them."""
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as err:
            raise RefusedError(400, f"the body is not JSON: {err}", "NaN is written as null") from err
        if form is INFERENCE and isinstance(value, dict) and value.get("id") is not None:
            case.request_id = _checked(value["id"], "request id") or case.request_id
        served = exact or lineup.choose(case.entity_id or case.request_id)
        if served is None:
            raise RefusedError(503, "there is no model yet")
        case.served, case.version, case.role = served, served.version.version, lineup.role(served)
        rows = form.parse(value, served.signature)
        if len(rows.cells) > self.limits.rows:
            raise RefusedError(
                413, f"the body has {len(rows.cells):,} rows, at most {self.limits.rows:,} are taken", "send fewer"
            )
        return served, rows, served.features.read(rows, booleans=b"true" in body or b"false" in body)

    async def _predict(self, case: Case, lineup: Lineup, served: ServedModel, rows: Rows, inputs: Any) -> _Predicted:
        """Predict; where the model fails and an alternate stands by, that one answers."""
        try:
            return _Predicted(served, rows, await self.predictor.predict(served, inputs, case.started))
        except (RequestError, RefusedError):
            raise
        except Exception as err:  # noqa: BLE001 (any failure of the model makes the alternate answer)
            alternate = self._stand_in(case, lineup, served, err)
            given = alternate.features.read(rows)
            return _Predicted(alternate, rows, await self.predictor.predict(alternate, given, case.started))

    def _whole(
        self, case: Case, form: Form, body: bytes, lineup: Lineup, exact: ServedModel | None
    ) -> tuple[_Predicted, bytes]:
        """Do the same in one thread, from the body to the answer's bytes."""
        served, rows, inputs = self._read(case, form, body, lineup, exact)
        try:
            found = _Predicted(served, rows, served.answer(inputs))
        except RequestError:
            raise
        except Exception as err:  # noqa: BLE001 (any failure of the model makes the alternate answer)
            alternate = self._stand_in(case, lineup, served, err)
            found = _Predicted(alternate, rows, alternate.answer(alternate.features.read(rows)))
        return found, orjson.dumps(form.write(found.served, found.answer, case.request_id))

    def _stand_in(self, case: Case, lineup: Lineup, served: ServedModel, err: Exception) -> ServedModel:
        """Give the alternate that answers instead; without one the failure stays what it is."""
        alternate = lineup.alternate
        if alternate is None or alternate is served:
            raise err
        _LOG.error("%s: version %s failed, the alternate answers: %s", case.service, served.version.version, err)
        self._log_failure(case, FAILED)  # the client gets an answer, but not from the version that should give it
        case.served, case.version, case.role = alternate, alternate.version.version, "fallback"
        return alternate

    def _log_failure(self, case: Case, status: int) -> None:
        """Log that a version failed to answer: who looks at the log must see what a version did not do."""
        if case.host is None or case.served is None:
            return
        self.log.append(_entry(case, case.host, case.served, None, status))

    def _log(self, case: Case, host: Host, lineup: Lineup, predicted: _Predicted) -> None:
        case.rows = len(predicted.answer.predictions)
        entry = _entry(case, host, predicted.served, predicted.answer, ANSWERED)
        self.log.append(entry)
        if lineup.shadow:
            self.shadows.ask(Asked(lineup.shadow, predicted.rows, entry))


@dataclass(frozen=True, slots=True)
class _Predicted:
    """Who answered what."""

    served: ServedModel
    rows: Rows
    answer: Answer


def _entry(case: Case, host: Host, served: ServedModel, answer: Answer | None, status: int) -> Entry:
    """Give the log's entry of a request."""
    return Entry(
        served,
        host.workflow,
        host.environment,
        case.request_id,
        time.time(),
        (time.monotonic() - case.started) * 1000,
        answer,
        case.role,  # type: ignore[arg-type]  # the line-up gave it
        case.entity_id,
        status,
    )


def _checked(given: Any, what: str) -> str:
    text = given.decode("latin-1") if isinstance(given, bytes) else given
    if text is not None and not (isinstance(text, str) and _ID.fullmatch(text)):
        raise RequestError(f"the {what} is not usable", hint="use up to 64 letters, digits, '.', '_' or '-'")
    return text or ""


async def _send(send: Send, case: Case, content: bytes, more: Headers) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
        (b"x-request-id", case.request_id.encode()),
        *more,
    ]
    if case.version:
        headers.append((b"x-model-version", case.version.encode("latin-1", "replace")))
    await send({"type": "http.response.start", "status": case.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
