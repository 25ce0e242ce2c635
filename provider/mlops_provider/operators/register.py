"""Phase type `register`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.operators.model_event import emit_model_event
from mlops_provider.operators.phase import PhaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mlops_provider.runtime.phase import Finished


class RegisterModelOperator(PhaseOperator):
    """Make a model a version in the registry, exactly once per run."""

    phase_type = "register"
    ui_color = "#dff0d8"

    def announce(self, finished: Finished, context: Context) -> None:
        """Say that there is a new version."""
        version: Any = finished.outcome.outputs["version"]
        extra = {"version": version.version, "digest": version.digest, "alias": finished.outcome.details["alias"]}
        emit_model_event(self, context, name=version.name, extra=extra)
