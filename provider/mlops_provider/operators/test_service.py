"""Phase type `test_service`."""

from __future__ import annotations

from typing import ClassVar

from mlops_provider.operators.phase import PhaseOperator


class TestServiceOperator(PhaseOperator):
    """Judge the running service: the performance evaluation checkpoint."""

    __test__: ClassVar[bool] = False  # the name is the phase's; pytest must not collect it
    phase_type = "test_service"
    ui_color = "#fbe8c6"
