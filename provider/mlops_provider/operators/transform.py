"""Phase type `transform`."""

from __future__ import annotations

from mlops_provider.operators.phase import PhaseOperator


class TransformDataOperator(PhaseOperator):
    """Make a new dataset from one or many."""

    phase_type = "transform"
    ui_color = "#d8ecf3"
