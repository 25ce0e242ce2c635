"""The monitor: it has labels where it needs them, and something to watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_dag_factory.errors import Finding
from mlops_dag_factory.spec.deploy import DeploySpec
from mlops_dag_factory.spec.ingest import IngestSpec
from mlops_dag_factory.spec.release import ReleaseSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.checks.scope import Scope

_LABELS = "say where outcomes arrive: labels: {source: labels/, key: request_id}"


def check_labels(scope: Scope) -> Iterator[Finding]:
    """Yield what needs the true outcomes while nobody says where they arrive."""
    monitor = scope.workflow.monitor
    if (monitor and monitor.labels) or "monitor" in scope.broken:
        return
    if monitor and monitor.checks.performance:
        message = "performance cannot be measured without labels"
        yield Finding(
            loc=("monitor", "checks", "performance"), code="labels", message=message, hint=f"{_LABELS} below monitor"
        )
    for name, phase in scope.workflow.phases.items():
        learns = isinstance(phase, IngestSpec) and "predictions" in phase.sources() and phase.labels is None
        if learns and f"phases.{name}.labels" not in scope.broken:
            message = "predictions cannot be learned from without labels"
            hint = f"{_LABELS} here or below monitor"
            yield Finding(loc=("phases", name, "source"), code="labels", message=message, hint=hint)


def check_monitored_service(scope: Scope) -> Iterator[Finding]:
    """Yield a monitor of an environment that no phase of the workflow serves."""
    monitor = scope.workflow.monitor
    if monitor is None or not scope.whole:
        return
    served = {
        phase.environment for phase in scope.workflow.phases.values() if isinstance(phase, DeploySpec | ReleaseSpec)
    }
    if monitor.environment not in served and not any("{" in environment for environment in served):
        message = f"no phase deploys or releases to '{monitor.environment}'"
        hint = f"served here: {', '.join(sorted(served)) or 'nothing'}"
        yield Finding(loc=("monitor", "environment"), code="unserved", message=message, hint=hint, severity="warning")
