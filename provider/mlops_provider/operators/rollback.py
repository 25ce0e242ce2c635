"""Phase type `rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.operators.deploy import placed_connections
from mlops_provider.operators.model_event import emit_model_event
from mlops_provider.operators.phase import PhaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mlops_provider.runtime.phase import Finished


class RollbackServiceOperator(PhaseOperator):
    """Give the traffic back to a version that the service had."""

    phase_type = "rollback"
    optional_inputs = True
    ui_color = "#f3dfe6"

    def connections(self, config: Any) -> dict[str, str]:  # noqa: ARG002 (the service may be another's of the workflow)
        """Give the addresses of where the workflow's services run."""
        return placed_connections(self.workflow)

    def announce(self, finished: Finished, context: Context) -> None:
        """Say which version is the champion again."""
        service: Any = finished.outcome.outputs["service"]
        name = finished.outcome.details["name"]
        if name:
            extra = {"version": service.version, "digest": service.digest, "alias": "champion"}
            emit_model_event(self, context, name=name, extra=extra)
