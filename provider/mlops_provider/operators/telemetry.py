"""Our own metrics, sent the way Airflow sends its own: [metrics] says StatsD, Datadog or OpenTelemetry, or nothing.

Backends with tags get the names below with workflow, phase and so on as tags. Plain StatsD has none: there, what tells
one series from another stands in the name, as in `mlops.phase.duration.rain.model`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_provider.runtime.phase import Finished

Kind = Literal["timing", "counter", "gauge"]
_MOST = 60
"""Metrics of one phase that are sent: the first, which are those of the whole."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What one of our metrics is; `tags` in the order in which plain StatsD has them in the name."""

    kind: Kind
    tags: tuple[str, ...]
    meaning: str


METRICS = {
    "mlops.phase.duration": Metric("timing", ("workflow", "phase"), "Milliseconds that a phase worked."),
    "mlops.phase.finished": Metric("counter", ("workflow", "phase", "status"), "Phases by how they ended."),
    "mlops.verdict": Metric("counter", ("workflow", "phase", "verdict"), "Verdicts of checkpoints and of the monitor."),
    "mlops.metric": Metric(
        "gauge",
        ("workflow", "phase", "metric"),
        "What a phase measured: accuracy of an evaluation, drift_share of the monitor's check, and so on.",
    ),
    "mlops.decision": Metric("counter", ("workflow", "action"), "Actions that the monitor decided on; none: nothing."),
    "mlops.breach": Metric("gauge", ("workflow",), "1 while the monitor's last window was a breach, else 0."),
}
"""Name -> what it is; docs/monitoring.md has the same table, and a test compares them."""


def tell(workflow: str, phase: str, finished: Finished) -> None:
    """Send what a phase that came to a result says; nothing where Airflow sends no metrics."""
    outcome = finished.outcome
    verdict = outcome.verdict
    about = {"workflow": workflow, "phase": phase}
    _send("mlops.phase.finished", 1, {**about, "status": "blocked" if _blocked(outcome) else "succeeded"})
    if verdict:
        _send("mlops.verdict", 1, {**about, "verdict": verdict.status})
    for name, value in list(outcome.metrics.items())[:_MOST]:
        _send("mlops.metric", value, {**about, "metric": name})
    if "breach" in outcome.details and "actions" in outcome.details:
        _send("mlops.breach", float(bool(outcome.details["breach"])), {"workflow": workflow})
        for action in outcome.details["actions"] or ["none"]:
            _send("mlops.decision", 1, {"workflow": workflow, "action": str(action)})


def tell_duration(workflow: str, phase: str, seconds: float) -> None:
    """Send how long a phase worked, whatever came of it."""
    _send("mlops.phase.duration", seconds * 1000, {"workflow": workflow, "phase": phase})


def tell_failed(workflow: str, phase: str, status: str) -> None:
    """Send that a phase came to no result: failed, or blocked where the verdict stops the run."""
    _send("mlops.phase.finished", 1, {"workflow": workflow, "phase": phase, "status": status})


def _blocked(outcome: Any) -> bool:
    return outcome.verdict is not None and outcome.verdict.status == "blocked"


def _send(name: str, value: float, tags: Mapping[str, str]) -> None:
    from airflow.sdk import conf
    from airflow.sdk.observability import stats

    metric = METRICS[name]
    plain = conf.getboolean("metrics", "statsd_on", fallback=False) and not any(
        conf.getboolean("metrics", option, fallback=False)
        for option in ("statsd_datadog_enabled", "statsd_influxdb_enabled")
    )
    sent = {tag: stats.normalize_name_for_stats(str(tags[tag]), log_warning=False) for tag in metric.tags}
    if plain:
        name, given = ".".join([name, *sent.values()]), None
    else:
        given = dict(sent)
    if metric.kind == "timing":
        stats.timing(name, value, tags=given)
    elif metric.kind == "gauge":
        stats.gauge(name, value, tags=given)
    else:
        stats.incr(name, int(value), tags=given)
