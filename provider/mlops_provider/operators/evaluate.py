"""Phase type `evaluate`."""

from __future__ import annotations

from mlops_provider.operators.phase import PhaseOperator


class EvaluateModelOperator(PhaseOperator):
    """Judge a model on unseen data: the model evaluation checkpoint."""

    phase_type = "evaluate"
    ui_color = "#fbe8c6"
