"""The phases of the monitor's DAG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.operators.phase import PhaseOperator

if TYPE_CHECKING:
    from mlops_dag_factory.spec.monitor import MonitorSpec


class ProfileHoursOperator(PhaseOperator):
    """Profile a share of the hours that a large window is added up from; other tasks do theirs at the same time.

    `item` says which share, as {part: 0}.
    """

    phase_type = "monitor.hours"
    ui_color = "#e6f2f7"


class ReadWindowOperator(PhaseOperator):
    """Read the window of predictions and join the labels that have arrived."""

    phase_type = "monitor.window"
    ui_color = "#d8ecf3"

    def connections(self, config: MonitorSpec | Any) -> dict[str, str]:
        """Give the addresses of the databases that hold the data or the baseline."""
        from mlops_provider.hooks.database import DatabaseHook

        asked = (getattr(part, "conn_id", None) for part in (config.data, config.baseline))
        return {conn_id: DatabaseHook(conn_id).url() for conn_id in asked if conn_id}


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
