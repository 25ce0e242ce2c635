"""Phase type `register`."""

from __future__ import annotations

from mlops_provider.operators.phase import PhaseOperator


class RegisterModelOperator(PhaseOperator):
    """Make a model a version in the registry, exactly once per run."""

    phase_type = "register"
    ui_color = "#dff0d8"
