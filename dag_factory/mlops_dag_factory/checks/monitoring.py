"""The monitor: it has labels where it needs them, and something to watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_dag_factory.errors import Finding, suggestion
from mlops_dag_factory.spec.base import format_duration
from mlops_dag_factory.spec.deploy import DeploySpec
from mlops_dag_factory.spec.ingest import IngestSpec
from mlops_dag_factory.spec.release import ReleaseSpec
from mlops_provider.expressions import Expression
from mlops_provider.runtime.monitor.service.names import LOGGED, QUERIES, SERVERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.checks.scope import Scope
    from mlops_dag_factory.spec.monitor import MonitorSpec
    from mlops_dag_factory.spec.monitoring.checks import ChecksSpec

_LABELS = "say where outcomes arrive: labels: {source: labels/, key: request_id}"
_OTHERS = "nothing would be done; what does without a service: notify, retrain, todo"


def check_labels(scope: Scope) -> Iterator[Finding]:
    """Yield what needs the true outcomes while nobody says where they arrive."""
    monitor = scope.workflow.monitor
    if (monitor and monitor.labels) or "monitor" in scope.broken:
        return
    for field in _needing(monitor.checks) if monitor else ():
        message, hint = f"{field} cannot be measured without labels", f"{_LABELS} below monitor"
        if monitor and monitor.data != "predictions":
            if monitor.data.target:
                break
            message, hint = f"{field} cannot be measured where no column holds outcomes", "monitor.data: {target: …}"
        yield Finding(loc=("monitor", "checks", field), code="labels", message=message, hint=hint)
    for name, phase in scope.workflow.phases.items():
        learns = isinstance(phase, IngestSpec) and "predictions" in phase.sources() and phase.labels is None
        if learns and f"phases.{name}.labels" not in scope.broken:
            message = "predictions cannot be learned from without labels"
            hint = f"{_LABELS} here or below monitor"
            yield Finding(loc=("phases", name, "source"), code="labels", message=message, hint=hint)


def _needing(checks: ChecksSpec) -> Iterator[str]:
    """Give the checks that read true outcomes; estimates and numbers of the business do without."""
    names = {name for gate in checks.performance for name in Expression.parse(gate).names()}
    if any(name not in checks.business and not name.startswith("estimated_") for name in names):
        yield "performance"
    yield from (field for field in ("fairness", "importance") if getattr(checks, field))


def check_service_names(scope: Scope) -> Iterator[Finding]:
    """Yield names in conditions on the service that nothing measures."""
    monitor = scope.workflow.monitor
    if monitor is None or not scope.broken.isdisjoint({"monitor", "monitor.service"}):
        return
    source = monitor.service
    known = [*LOGGED, *SERVERS, *((*QUERIES, *source.metrics) if source and source.prometheus else ())]
    for index, gate in enumerate(monitor.checks.service):
        for name in Expression.parse(gate).names():
            if name in known:
                continue
            needs = name in QUERIES
            message = f"'{name}' is asked of Prometheus, and none is named" if needs else f"nothing measures '{name}'"
            hint = (
                "service: {prometheus: <connection id>}"
                if needs
                else f"{suggestion(name, known)}measured: {', '.join(known)}"
            )
            yield Finding(loc=("monitor", "checks", "service", index), code="gate", message=message, hint=hint)


def check_window(scope: Scope) -> Iterator[Finding]:
    """Yield windows and baselines that can never give what they are for."""
    monitor = scope.workflow.monitor
    if monitor is None:
        return
    checks, baseline, size = monitor.checks, monitor.baseline, monitor.window.size
    if checks.prediction_drift and monitor.data != "predictions" and not monitor.data.prediction:
        message = "predictions cannot drift where no column holds them"
        hint = "monitor.data: {prediction: <column>}"
        yield Finding(loc=("monitor", "checks", "prediction_drift"), code="baseline", message=message, hint=hint)
    if baseline == "model":
        return
    if baseline.season and size and baseline.season < size:
        message = f"a season of {format_duration(baseline.season)} is shorter than the window"
        hint = f"the window would be compared with itself: at least {format_duration(size)}"
        yield Finding(loc=("monitor", "baseline", "season"), code="baseline", message=message, hint=hint)
    if not (checks.data_drift or checks.prediction_drift or checks.data_quality):
        message = "nothing is compared with it"
        hint = "checks: data_drift, prediction_drift and data_quality compare with a baseline"
        yield Finding(loc=("monitor", "baseline"), code="baseline", message=message, hint=hint, severity="warning")


def check_monitored_service(scope: Scope) -> Iterator[Finding]:
    """Yield a monitor of an environment that no phase of the workflow serves."""
    monitor = scope.workflow.monitor
    if monitor is None or not scope.whole:
        return
    served = {
        phase.environment for phase in scope.workflow.phases.values() if isinstance(phase, DeploySpec | ReleaseSpec)
    }
    if monitor.environment in served or any("{" in environment for environment in served):
        yield from _check_alternate(scope, monitor)
        return
    if monitor.data != "predictions":
        if monitor.baseline == "model":
            message = f"no version is live in '{monitor.environment}' whose training data could be the baseline"
            hint = "baseline: {source: …}, {rolling: 7d} or {season: 7d}"
            yield Finding(loc=("monitor",), code="baseline", message=message, hint=hint)
        for index, action in enumerate(monitor.actions):
            if action in {"fallback", "stop"}:
                message = f"'{action}' needs a service, and no phase deploys or releases to '{monitor.environment}'"
                loc = ("monitor", "on_breach", index)
                yield Finding(loc=loc, code="unserved", message=message, hint=_OTHERS, severity="warning")
    else:
        message = f"no phase deploys or releases to '{monitor.environment}'"
        hint = f"served here: {', '.join(sorted(served)) or 'nothing'}"
        yield Finding(loc=("monitor", "environment"), code="unserved", message=message, hint=hint, severity="warning")


def _check_alternate(scope: Scope, monitor: MonitorSpec) -> Iterator[Finding]:
    """Yield a fallback to the alternate where no release lets a version stand by."""
    releases = [phase for phase in scope.workflow.phases.values() if isinstance(phase, ReleaseSpec)]
    if monitor.fallback != "alternate" or any(phase.alternate == "previous" for phase in releases):
        return
    loc = ("monitor", "on_breach", monitor.actions.index("fallback"))
    message = "no release lets a version stand by: the fallback would be refused"
    hint = "alternate: previous in the release, or {fallback: previous} here"
    yield Finding(loc=loc, code="unserved", message=message, hint=hint, severity="warning")
