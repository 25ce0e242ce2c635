"""The phases of the monitor's DAG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.operators.phase import PhaseOperator

if TYPE_CHECKING:
    from mlops_dag_factory.spec.monitor import MonitorSpec


class ReadWindowOperator(PhaseOperator):
    """Read the window of predictions and join the labels that have arrived."""

    phase_type = "monitor.window"
    ui_color = "#d8ecf3"


class CheckWindowOperator(PhaseOperator):
    """Compare the window with the baseline: drift, quality, performance, service."""

    phase_type = "monitor.check"
    optional_inputs = True
    ui_color = "#fbe8c6"

    def connections(self, config: MonitorSpec | Any) -> dict[str, str]:
        """Give the address of the Prometheus server that is asked."""
        if config.service is None or config.service.prometheus is None:
            return {}
        from mlops_provider.hooks.prometheus import PrometheusHook

        return {config.service.prometheus: PrometheusHook(config.service.prometheus).address()}


class DecideActionOperator(PhaseOperator):
    """Apply the policy to the verdict and say what is done."""

    phase_type = "monitor.decide"
    optional_inputs = True
    ui_color = "#f3dfe6"
