"""Phase type `split`."""

from __future__ import annotations

from mlops_provider.operators.phase import PhaseOperator


class SplitDataOperator(PhaseOperator):
    """Divide a dataset into train, test and validation."""

    phase_type = "split"
    ui_color = "#d8ecf3"
