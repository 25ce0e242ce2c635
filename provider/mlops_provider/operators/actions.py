"""The monitor's actions `fallback`, `todo` and `stop`: phases that run where the decision says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from mlops_provider.operators.decision import read_decision
from mlops_provider.operators.deploy import placed_connections
from mlops_provider.operators.model_event import emit_model_event
from mlops_provider.operators.phase import PhaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mlops_provider.runtime.phase import Finished


class MonitorActionOperator(PhaseOperator):
    """Root of the actions: skipped where the decision of the run does not ask for it."""

    ui_color = "#f3dfe6"

    def execute(self, context: Context) -> dict[str, Any]:
        """Do what was decided."""
        _, decision = read_decision(context, "decide")
        if self.task_id not in decision["actions"]:
            raise AirflowSkipException(f"no {self.task_id}: {decision['why']}")
        return super().execute(context)


class FallBackOperator(MonitorActionOperator):
    """Give the service back to the version before, or to the one that stands by."""

    phase_type = "monitor.fallback"

    def connections(self, config: Any) -> dict[str, str]:  # noqa: ARG002 (the service may be anywhere)
        """Give the addresses of where the workflow's services run."""
        return placed_connections(self.workflow)

    def announce(self, finished: Finished, context: Context) -> None:
        """Say which version is the champion again."""
        details = finished.outcome.details
        if details["name"]:
            extra = {"version": details["version"], "digest": details["digest"], "alias": "champion"}
            emit_model_event(self, context, name=details["name"], extra=extra)


class OpenTodoOperator(MonitorActionOperator):
    """Open a to-do that a person ticks off; the task does not wait for that."""

    phase_type = "monitor.todo"


class StopServiceOperator(MonitorActionOperator):
    """Stop the service."""

    phase_type = "monitor.stop"

    def connections(self, config: Any) -> dict[str, str]:  # noqa: ARG002 (the service may be anywhere)
        """Give the addresses of where the workflow's services run."""
        return placed_connections(self.workflow)


ACTIONS = {"fallback": FallBackOperator, "todo": OpenTodoOperator, "stop": StopServiceOperator}
