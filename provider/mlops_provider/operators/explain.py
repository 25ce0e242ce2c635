"""Phase type `explain`."""

from __future__ import annotations

from mlops_provider.operators.phase import PhaseOperator


class ExplainModelOperator(PhaseOperator):
    """Say what a model looks at, whom it treats how, and where it errs; with gates, a checkpoint."""

    phase_type = "explain"
    ui_color = "#e6dff5"
