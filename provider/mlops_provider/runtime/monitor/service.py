"""How the service answered in the window."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mlops_provider.expressions import Expression
from mlops_provider.runtime.predictions import FAILED_STATUS
from mlops_provider.verdicts import RuleResult, judge_gate

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from mlops_provider.runtime.monitor.findings import Findings
    from mlops_provider.runtime.monitor.look import Look

SERVICE = ("latency_p95_ms", "error_rate", "requests")


def check_service(look: Look, found: Findings) -> None:
    """Measure how the service answered, and judge the gates."""
    found.metrics |= measure_service(look.rows)
    found.rules += [judge(gate, found.metrics) for gate in look.config.checks.service]


def measure_service(window: pd.DataFrame) -> dict[str, float]:
    """Give latency, share of failed requests and number of requests; each request counts once."""
    requests = window.drop_duplicates(["request_id", "ts"])
    found = {
        "error_rate": float((requests["status"] >= FAILED_STATUS).mean()),
        "requests": float(len(requests)),
        "latency_p95_ms": float(requests["latency_ms"].astype(float).quantile(0.95)),
    }
    return {name: value for name, value in found.items() if math.isfinite(value)}


def judge(gate: str, metrics: Mapping[str, float]) -> RuleResult:
    """Judge a gate; what could not be measured on this window makes it not applicable."""
    missing = [name for name in Expression.parse(gate).names() if name not in metrics]
    if missing:
        why = f"{', '.join(missing)} cannot be measured on this window"
        return RuleResult(rule=gate, result="not_applicable", why=why)
    return judge_gate(gate, metrics, champion=None)
