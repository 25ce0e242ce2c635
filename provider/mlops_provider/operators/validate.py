"""Phase type `validate`."""

from __future__ import annotations

from mlops_provider.operators.phase import PhaseOperator


class ValidateDataOperator(PhaseOperator):
    """Check a dataset against rules: the data evaluation checkpoint."""

    phase_type = "validate"
    ui_color = "#fbe8c6"
