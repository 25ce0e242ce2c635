"""What `mlops new` writes: a workflow that runs, a phase type that installs."""

from __future__ import annotations

from mlops_dag_factory.scaffold.files import write_new
from mlops_dag_factory.scaffold.phase import phase_files
from mlops_dag_factory.scaffold.workflow import SAMPLES, workflow_files

__all__ = ["SAMPLES", "phase_files", "workflow_files", "write_new"]
