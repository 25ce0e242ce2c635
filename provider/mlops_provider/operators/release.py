"""Phase type `release`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.operators.model_event import emit_model_event
from mlops_provider.operators.phase import PhaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mlops_provider.runtime.phase import Finished


class ReleaseModelOperator(PhaseOperator):
    """Give a model version the production traffic, then make it the champion."""

    phase_type = "release"
    ui_color = "#e6dff3"

    def announce(self, finished: Finished, context: Context) -> None:
        """Say that there is a new champion."""
        service: Any = finished.outcome.outputs["service"]
        extra = {"version": service.version, "digest": service.digest, "alias": "champion"}
        emit_model_event(self, context, name=finished.outcome.details["name"], extra=extra)
