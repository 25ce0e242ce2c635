"""Phase type `train`."""

from __future__ import annotations

from mlops_provider.operators.phase import PhaseOperator


class TrainModelOperator(PhaseOperator):
    """Fit one estimator on a dataset, with its preprocessing."""

    phase_type = "train"
    ui_color = "#dff0d8"
