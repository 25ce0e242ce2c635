"""Phase type `deploy`."""

from __future__ import annotations

from mlops_provider.operators.phase import PhaseOperator


class DeployModelOperator(PhaseOperator):
    """Make a service run a model version in an environment."""

    phase_type = "deploy"
    ui_color = "#e6dff3"
