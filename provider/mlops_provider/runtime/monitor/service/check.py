"""How the service answered in the window: by its prediction log, by its servers, by Prometheus."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from mlops_provider.expressions import Expression
from mlops_provider.runtime.evaluation.tables import number, table
from mlops_provider.runtime.monitor.service.names import LOGGED, QUERIES, SERVERS
from mlops_provider.runtime.monitor.service.sources import from_prometheus, from_servers
from mlops_provider.runtime.predictions import FAILED_STATUS
from mlops_provider.verdicts import RuleResult, judge_gate

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

    from mlops_provider.runtime.monitor.findings import Findings
    from mlops_provider.runtime.monitor.look import Look

__all__ = ["check_service", "judge", "measure_requests"]
_SHOWN = {**SERVERS, **LOGGED}


def check_service(look: Look, found: Findings) -> None:
    """Measure how the service answered, and judge the gates; a source that does not answer never loses the report."""
    gates = look.config.checks.service
    asked = {name for gate in gates for name in Expression.parse(gate).names()}
    measured, why = _logged(look), dict[str, str]()
    source = look.config.service
    for measure, given, wanted in (
        (from_servers, source is None or not source.prometheus, asked & SERVERS.keys()),
        (from_prometheus, bool(source and source.prometheus), asked & QUERIES.keys()),
    ):
        if given and (wanted or (source and source.metrics)):
            values, lost = measure(look, sorted(wanted))
            measured, why = measured | values, why | lost
    found.metrics |= measured
    found.rules += [judge(gate, found.metrics, why) for gate in gates]
    found.more["service"] = {"metrics": measured, "not_measured": why}
    found.sections.append(_section(measured, why))


def measure_requests(connection: duckdb.DuckDBPyConnection, rows: str, seconds: float) -> dict[str, float]:
    """Measure all requests of a window from its rows (SQL); a request is an id at a moment: clients repeat ids.

    `seconds` is the window's length; where it has none, from its first row to its last, and a rate over less than a
    second is none.
    """
    places = ", ".join(f"quantile_cont(latency, {part}) AS latency_p{part * 100:.0f}_ms" for part in (0.5, 0.95, 0.99))
    requests = (
        f"SELECT any_value(latency_ms) AS latency, max(status) AS status, ts FROM ({rows}) GROUP BY request_id, ts"
    )
    span = seconds or "date_diff('ms', min(ts), max(ts)) / 1000"
    query = (
        f"SELECT count(*) AS requests, avg((status >= {FAILED_STATUS})::DOUBLE) AS error_rate, {places}, "
        f"CASE WHEN {span} >= 1 THEN count(*) / ({span}) END AS requests_per_s "
        f"FROM ({requests})"
    )
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description or ()]
    found = zip(names, cursor.fetchone() or (), strict=True)
    return {name: float(value) for name, value in found if value is not None and math.isfinite(value)}


def judge(gate: str, metrics: Mapping[str, float], why_not: Mapping[str, str] | None = None) -> RuleResult:
    """Judge a gate; what could not be measured on this window makes it not applicable, and is said."""
    missing = [name for name in Expression.parse(gate).names() if name not in metrics]
    if missing:
        reasons = dict.fromkeys(reason for name in missing if (reason := (why_not or {}).get(name)))
        because = f": {'; '.join(reasons)}" if reasons else ""
        why = f"{', '.join(missing)} cannot be measured on this window{because}"
        return RuleResult(rule=gate, result="not_applicable", why=why)
    return judge_gate(gate, metrics, champion=None)


def _logged(look: Look) -> dict[str, float]:
    """Give what the window's phase measured of all its rows; where there is none, of the rows that were kept."""
    from mlops_provider.runtime.table import connect, scan

    if look.about.service or look.window is None:
        return dict(look.about.service)
    with connect() as connection:
        size = look.config.window.size
        rows = f"SELECT * FROM {scan(look.store, look.window)}"
        return measure_requests(connection, rows, size.total_seconds() if size else 0.0)


def _section(measured: Mapping[str, float], why: Mapping[str, str]) -> str:
    rows = [[escape(name), number(value), escape(_SHOWN.get(name, ""))] for name, value in measured.items()]
    rows += [[escape(name), "", f"<span class=warned>{escape(reason)}</span>"] for name, reason in why.items()]
    return f"<h2>Service</h2>{table(['', '', ''], rows, numbers=[1])}" if rows else ""
