"""Phase type `predict`."""

from __future__ import annotations

from mlops_provider.operators.phase import PhaseOperator


class PredictDataOperator(PhaseOperator):
    """Predict for every row of a dataset."""

    phase_type = "predict"
    ui_color = "#d8ecf3"
