"""`mlops monitor`: what the monitor decided and why; acknowledge an alarm, silence a check."""

from __future__ import annotations

from mlops_dag_factory.cli.monitor.evidently import evidently
from mlops_dag_factory.cli.monitor.explain import explain
from mlops_dag_factory.cli.monitor.group import monitor
from mlops_dag_factory.cli.monitor.history import history
from mlops_dag_factory.cli.monitor.silence import ack, silence

__all__ = ["monitor"]

for command in (history, explain, ack, silence, evidently):
    monitor.add_command(command)
