"""Requests made from the service's own OpenAPI document, right and wrong ones, by a client that knows nothing else.

Source: Schemathesis (Hatfield-Dodds, Dygalo: Deriving semantics-aware fuzzers from web API schemas, ICSE 2022).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlops_provider.runtime.service_test.cases import Result

if TYPE_CHECKING:
    from schemathesis import Case

    from mlops_provider.runtime.service_test.endpoint import Endpoint

MISSING = "no requests were made from the OpenAPI document: pip install 'airflow-provider-mlops[service-test]'"


def fuzz(endpoint: Endpoint, requests: int, until: float) -> tuple[list[Result], str]:
    """Send as many requests to each way to predict; gives a case for each, and what was not run.

    Half of them follow the document, the others break it in one place. An answer must have a documented status, type
    and form; what breaks the document must be refused; a server's error is a failure. What follows it may be refused
    too: a document does not say that a model overflows. The same document gives the same requests. `until` is the
    moment, of the monotonic clock, after which nothing is sent.
    """
    try:
        import schemathesis
    except ImportError:
        return [], MISSING
    root = urlsplit(str(endpoint.client.base_url))
    address = f"{root.scheme}://{root.netloc}"
    document = _document(endpoint, f"{address}/openapi.json")
    ways = _ways(document.get("paths", {}), root.path.rstrip("/"), endpoint)
    if not ways:
        return [], "no requests were made from the OpenAPI document: there is none that names this service"
    schema = schemathesis.openapi.from_dict({**document, "paths": ways})
    found = []
    for path in ways:
        operation = schema[path]["POST"]
        sent, wrong = _try(operation, requests, until, address, endpoint)
        name = f"{sent} requests made from the OpenAPI document to {path}"
        found.append(Result(name, "contract", "answer or refusal", wrong or "documented answers", passed=not wrong))
    return found, ""


def _document(endpoint: Endpoint, address: str) -> dict[str, Any]:
    """Fetch the document; what is none is an empty one."""
    import httpx

    try:
        document = endpoint.client.get(address).raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _ways(paths: dict[str, Any], prefix: str, endpoint: Endpoint) -> dict[str, Any]:
    """Give the paths that predict with this service; where it has several versions, those of this one."""
    infer = f"{prefix}/v2/models/{endpoint.workflow}/infer"
    if endpoint.versioned:
        named = f"{prefix}/v2/models/{endpoint.workflow}/versions/{endpoint.version}/infer"
        return {named: paths[infer]} if infer in paths else {}
    return {path: paths[path] for path in (f"{prefix}/invocations", infer) if path in paths}


def _try(operation: Any, requests: int, until: float, address: str, endpoint: Endpoint) -> tuple[int, str]:
    """Send requests until one is answered wrongly; give how many, and what was wrong."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis.errors import Unsatisfiable
    from requests import RequestException
    from schemathesis import GenerationMode
    from schemathesis.core.failures import FailureGroup
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    sent = 0
    timeout = endpoint.client.timeout.read or None
    key = {name: value for name, value in endpoint.client.headers.items() if name == "authorization"}

    def send(case: Case[Any]) -> None:
        nonlocal sent
        if time.monotonic() > until:
            return
        sent += 1
        answer = case.call(base_url=address, headers=key, timeout=timeout)
        case.validate_response(answer, excluded_checks=[positive_data_acceptance])  # values may be too large

    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        asked = settings(
            max_examples=max(1, requests // 2),
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        try:
            asked(given(case=operation.as_strategy(generation_mode=mode))(send))()
        except FailureGroup as err:
            return sent, " ".join(str(err.exceptions[0]).split())[:400]
        except RequestException as err:
            return sent, f"no answer: {type(err).__name__}"
        except Unsatisfiable:
            continue
    return sent, ""
