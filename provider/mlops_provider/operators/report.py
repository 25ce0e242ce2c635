"""Phase type `report`."""

from __future__ import annotations

from mlops_provider.operators.phase import PhaseOperator


class ReportModelOperator(PhaseOperator):
    """Write the model card of a version."""

    phase_type = "report"
    ui_color = "#e6dff5"
