"""Numbers of a service that its log does not have: of its servers' own metrics, and of Prometheus.

Both give what they measured, and of what they could not, why: a monitor's report is never lost for a source.
"""

from __future__ import annotations

import json
import math
from string import Template
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.monitor.service.names import QUERIES
from mlops_provider.store.service_reports import live_reports

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops_provider.runtime.monitor.look import Look

Measured = tuple[dict[str, float], dict[str, str]]
"""Values by name, and of what could not be measured, why."""

_SECONDS = 10.0
_MB = 1e6
_IN_FLIGHT, _CAPACITY, _MEMORY = "mlops_requests_in_flight", "mlops_requests_capacity", "process_resident_memory_bytes"


def from_servers(look: Look, names: Iterable[str]) -> Measured:
    """Ask the metrics of every live server of the service, as they are now."""
    import httpx

    reports = live_reports(look.store, look.context.workflow, look.config.environment)
    said, silent = list[dict[str, float]](), list[str]()
    for report in reports:
        address = report.url.removesuffix(f"/{look.context.workflow}/{look.config.environment}") + "/metrics"
        try:
            said.append(_sums(httpx.get(address, timeout=_SECONDS).raise_for_status().text))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as err:
            silent.append(f"{report.server_id} ({type(err).__name__})")
    if not said:
        why = f"no server answers: {', '.join(silent)}" if silent else "no server follows the service"
        return {"servers": 0.0}, dict.fromkeys((name for name in names if name != "servers"), why)
    found = {"servers": float(len(said))}
    shares = [one[_IN_FLIGHT] / one[_CAPACITY] for one in said if one.get(_CAPACITY) and _IN_FLIGHT in one]
    found |= {"saturation": max(shares)} if shares else {}
    found |= {"memory_mb": max(one[_MEMORY] for one in said) / _MB} if all(_MEMORY in one for one in said) else {}
    return found, {name: "the servers do not say it" for name in names if name not in found}


def from_prometheus(look: Look, names: Iterable[str]) -> Measured:
    """Ask Prometheus at the end of the window: the queries that the monitor names, and those of known names."""
    source = look.config.service
    if source is None or source.prometheus is None:
        return {}, {}
    address = json.loads(look.context.connections.get(source.prometheus) or "{}")
    if not address:
        return {}, dict.fromkeys(
            [*names, *source.metrics], f"connection '{source.prometheus}' was not given to the work"
        )
    queries = {name: QUERIES[name] for name in names if name in QUERIES} | source.metrics
    found, why = dict[str, float](), dict[str, str]()
    for name, query in queries.items():
        value, reason = ask(address, _filled(query, look), look.context.clock().timestamp())
        if value is None:
            why[name] = reason
        else:
            found[name] = value
    return found, why


def ask(address: dict[str, Any], query: str, at: float) -> tuple[float | None, str]:
    """Ask one number of a Prometheus server (or what speaks its HTTP API) at a moment; None and why not.

    `address` has url, and token or user and password where they are needed. No error shows any of them.
    """
    import httpx

    headers = {"Authorization": f"Bearer {address['token']}"} if address.get("token") else {}
    login = (address["user"], address.get("password", "")) if address.get("user") else None
    try:
        answer = httpx.post(
            f"{address['url'].rstrip('/')}/api/v1/query",
            data={"query": query, "time": f"{at:.3f}"},
            headers=headers,
            auth=login,
            timeout=_SECONDS,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as err:
        return None, f"Prometheus does not answer ({type(err).__name__})"
    try:
        said = answer.json()
    except ValueError:
        return None, f"Prometheus does not answer: status {answer.status_code}"
    if said.get("status") != "success":
        return None, f"Prometheus refuses the query: {said.get('error', answer.status_code)}"
    return _number(said["data"])


def _number(data: dict[str, Any]) -> tuple[float | None, str]:
    """Read a scalar, or a vector of one series."""
    kind, result = data["resultType"], data["result"]
    if kind == "vector":
        if len(result) != 1:
            many = f"it gives {len(result)} series: make one of them, as with sum() or max()"
            return None, many if result else "Prometheus has nothing for the query at this time"
        result = result[0]["value"]
    elif kind != "scalar":
        return None, f"it gives a {kind}, not a number"
    value = float(result[1])
    return (value, "") if math.isfinite(value) else (None, f"it gives {result[1]}")


def _filled(query: str, look: Look) -> str:
    """Fill in the service, the version and the length of the window; other dollars stay as they are."""
    size = look.config.window.size
    seconds = size.total_seconds() if size else _span(look)
    names = {
        "service": f"{look.context.workflow}/{look.config.environment}",
        "version": str(look.rows["version"].iloc[-1]) if len(look.rows) else "",
        "window": f"{max(60, math.ceil(seconds))}s",
    }
    return Template(query).safe_substitute(names)


def _span(look: Look) -> float:
    from datetime import datetime

    about = look.about
    if not about.since or not about.until:
        return 0.0
    return (datetime.fromisoformat(about.until) - datetime.fromisoformat(about.since)).total_seconds()


def _sums(text: str) -> dict[str, float]:
    """Give the sum of each metric's samples."""
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found
