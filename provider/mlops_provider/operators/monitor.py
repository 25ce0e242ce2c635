"""The phases of the monitor's DAG."""

from __future__ import annotations

from mlops_provider.operators.phase import PhaseOperator


class ReadWindowOperator(PhaseOperator):
    """Read the window of predictions and join the labels that have arrived."""

    phase_type = "monitor.window"
    ui_color = "#d8ecf3"


class CheckWindowOperator(PhaseOperator):
    """Compare the window with the baseline: drift, quality, performance, service."""

    phase_type = "monitor.check"
    optional_inputs = True
    ui_color = "#fbe8c6"


class DecideActionOperator(PhaseOperator):
    """Apply the policy to the verdict and say what is done."""

    phase_type = "monitor.decide"
    optional_inputs = True
    ui_color = "#f3dfe6"
