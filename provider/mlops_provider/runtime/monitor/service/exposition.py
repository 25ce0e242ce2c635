"""What the store says of services and monitors, in Prometheus form: which versions answer, how the last check was."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mlops_provider.exceptions import MlopsError
from mlops_provider.runtime.monitor.deciding.decisions import newest_first, time_of
from mlops_provider.store.services import list_service_names, read_service

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Gauge

    from mlops_provider.store.store import Store

_WEEK = timedelta(days=7)
GAUGES = {
    "mlops_service_weight": ("Percentage of the traffic that the record gives a version.", ["service", "version"]),
    "mlops_service_revision": ("Revision of the deployment record.", ["service"]),
    "mlops_service_unreadable": ("1 where record or monitoring history cannot be read.", ["service"]),
    "mlops_monitor_breach": ("1 while the last window was a breach.", ["service"]),
    "mlops_monitor_status": ("1 for the status of the last check.", ["service", "status"]),
    "mlops_monitor_checked_timestamp_seconds": ("What time the last check was about.", ["service"]),
    "mlops_monitor_metric": ("What the last check measured.", ["service", "metric"]),
    "mlops_monitor_decisions": ("Actions decided on in the last seven days.", ["service", "action"]),
}
"""Name -> what it is, and its labels."""


def exposition(store: Store, services: Iterable[tuple[str, str]] | None = None) -> bytes:
    """Give the text for some services (workflow, environment), or for all."""
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()
    gauges = {name: Gauge(name, what, labels, registry=registry) for name, (what, labels) in GAUGES.items()}
    for service in list_service_names(store) if services is None else services:
        try:
            _fill(gauges, store, *service)
        except (MlopsError, KeyError, ValueError, TypeError):  # one that is damaged must not hide the others
            gauges["mlops_service_unreadable"].labels("/".join(service)).set(1)
    return generate_latest(registry)


def _fill(gauges: dict[str, Gauge], store: Store, workflow: str, environment: str) -> None:
    state = read_service(store, workflow, environment)
    gauges["mlops_service_revision"].labels(state.name).set(state.revision)
    for found in state.versions:
        gauges["mlops_service_weight"].labels(state.name, found.version).set(found.weight)
    since, actions, last = datetime.now(UTC) - _WEEK, Counter[str](), None
    for _, decision in newest_first(store, workflow, environment):
        last = last or decision
        if time_of(decision) < since:
            break
        actions.update(decision["actions"])
    for action, count in actions.items():
        gauges["mlops_monitor_decisions"].labels(state.name, action).set(count)
    if last is not None:
        gauges["mlops_monitor_breach"].labels(state.name).set(float(bool(last["breach"])))
        gauges["mlops_monitor_status"].labels(state.name, last["status"]).set(1)
        gauges["mlops_monitor_checked_timestamp_seconds"].labels(state.name).set(time_of(last).timestamp())
        for name, value in last["metrics"].items():
            gauges["mlops_monitor_metric"].labels(state.name, name).set(value)
