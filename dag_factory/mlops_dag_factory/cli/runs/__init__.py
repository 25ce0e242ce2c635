"""`mlops runs`: what ran, from the phase records in the store."""

from __future__ import annotations

from mlops_dag_factory.cli.runs.compare import compare
from mlops_dag_factory.cli.runs.evidently import evidently
from mlops_dag_factory.cli.runs.group import runs
from mlops_dag_factory.cli.runs.listing import list_command
from mlops_dag_factory.cli.runs.show import show
from mlops_dag_factory.cli.runs.tag import tag

__all__ = ["runs"]

for command in (list_command, show, compare, evidently, tag):
    runs.add_command(command)
