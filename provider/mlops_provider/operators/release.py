"""Phase type `release`."""

from __future__ import annotations

from mlops_provider.operators.phase import PhaseOperator


class ReleaseModelOperator(PhaseOperator):
    """Give a model version the production traffic, then the champion's alias."""

    phase_type = "release"
    ui_color = "#e6dff3"
