"""The names that the gates of a monitor may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.exceptions import ExpressionError
from mlops_provider.expressions import Expression
from mlops_provider.runtime.monitor.drift.segments import SHARE
from mlops_provider.runtime.monitor.performance.estimated import estimate_names
from mlops_provider.runtime.monitor.performance.fairness_drift import fairness_names
from mlops_provider.runtime.monitor.performance.importance_drift import CORRELATION
from mlops_provider.runtime.monitor.performance.log_answers import measured_by_log
from mlops_provider.runtime.monitor.performance.measures import ENDS
from mlops_provider.runtime.monitor.performance.segments import WORST
from mlops_provider.runtime.monitor.service.names import SERVICE

if TYPE_CHECKING:
    from mlops_dag_factory.spec.monitor import MonitorSpec
    from mlops_provider.store.models import Signature

CHECKED = ("rows", "labelled", "coverage", "missing_share", "drift_share", SHARE, "prediction_drift")


def require_known(config: MonitorSpec, signature: Signature) -> None:
    """Raise ExpressionError for a gate on something that the monitor never measures."""
    plain = sorted({*own_names(config, signature), *config.checks.business})
    names = {*plain, *(f"{name}.{end}" for name in plain for end in ENDS)}
    for gate in (*config.checks.performance, *config.checks.service):
        for name in Expression.parse(gate).names():
            if name not in names:
                raise ExpressionError(
                    gate, f"the monitor does not measure '{name}'", hint=f"it measures: {', '.join(plain)}"
                )


def own_names(config: MonitorSpec, signature: Signature) -> set[str]:
    """Give the names that gates may read, the workflow's own aside."""
    measured = measured_by_log(signature)
    worst = [f"{WORST}.{name}" for name in measured] if config.segments else []
    estimates = estimate_names(measured) if config.checks.estimate else []
    fairness = fairness_names(config.checks.fairness) if config.checks.fairness else []
    importance = [CORRELATION] if config.checks.importance else []
    own = config.service.metrics if config.service else {}
    return {*measured, *worst, *estimates, *fairness, *importance, *SERVICE, *own, *CHECKED}
