"""Gates on performance: what they name is asked for elsewhere in the monitor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_dag_factory.errors import Finding, suggestion
from mlops_provider.expressions import Expression
from mlops_provider.runtime.explanation.gate_names import FAIRNESS_METRICS, gate_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.checks.scope import Scope
    from mlops_dag_factory.spec.monitor import MonitorSpec

_FAIRNESS_PARTS = 3


def check_performance_gates(scope: Scope) -> Iterator[Finding]:
    """Yield names in conditions on performance that nothing in the monitor measures."""
    monitor = scope.workflow.monitor
    if monitor is None or "monitor" in scope.broken:
        return
    for index, gate in enumerate(monitor.checks.performance):
        for name in Expression.parse(gate).names():
            message, hint = _problem(name, monitor)
            if message:
                loc = ("monitor", "checks", "performance", index)
                yield Finding(loc=loc, code="gate", message=message, hint=hint)


def _problem(name: str, monitor: MonitorSpec) -> tuple[str, str]:
    """Give what is wrong with a name, and what to do; nothing where it may be measured."""
    checks, first = monitor.checks, name.split(".", maxsplit=1)[0]
    if first == "worst_segment" and not monitor.segments:
        return f"'{name}' needs segments, and there are none", "monitor: {segments: [<feature>]}"
    if name.startswith("estimated_") and not checks.estimate:
        return f"'{name}' is not estimated: 'estimate' is false", "leave 'estimate' out"
    if first == "importance_correlation" and checks.importance is None:
        return f"'{name}' needs importances, which are not measured", "checks: {importance: {}}"
    return _fairness_problem(name, monitor) if first == "fairness" else ("", "")


def _fairness_problem(name: str, monitor: MonitorSpec) -> tuple[str, str]:
    fairness = monitor.checks.fairness
    if fairness is None:
        return f"'{name}' needs fairness, which is not measured", "checks: {fairness: {sensitive: [<feature>]}}"
    parts = name.split(".")
    columns = [gate_name(column) for column in fairness.sensitive]
    if len(parts) < _FAIRNESS_PARTS or parts[1] not in columns:
        example = f"fairness.{columns[0]}.{FAIRNESS_METRICS[0]}"
        return f"'{name}' names no column of fairness.sensitive", f"write '{example}'; columns: {', '.join(columns)}"
    if parts[2] not in FAIRNESS_METRICS:
        guess = suggestion(parts[2], FAIRNESS_METRICS)
        return f"'{parts[2]}' is no metric of fairness", f"{guess}known: {', '.join(FAIRNESS_METRICS)}"
    return "", ""
