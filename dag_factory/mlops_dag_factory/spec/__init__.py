"""The spec models: what a workflow file may say. They are also the Python SDK."""

from __future__ import annotations

from mlops_dag_factory.spec.base import Spec
from mlops_dag_factory.spec.data import IngestSpec, SplitSpec, TransformSpec, ValidateSpec
from mlops_dag_factory.spec.model import EvaluateSpec, RegisterSpec, TrainSpec
from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_dag_factory.spec.operator import OperatorSpec
from mlops_dag_factory.spec.parameters import ParameterSpec
from mlops_dag_factory.spec.phase import PhaseOptions, PhaseSpec, Resources
from mlops_dag_factory.spec.roles import RoleSpec
from mlops_dag_factory.spec.schedule import ScheduleSpec
from mlops_dag_factory.spec.service import ApproveSpec, DeploySpec, ReleaseSpec, TestServiceSpec
from mlops_dag_factory.spec.sub_workflow import SubWorkflowSpec
from mlops_dag_factory.spec.workflow import Workflow

__all__ = [
    "ApproveSpec", "DeploySpec", "EvaluateSpec", "IngestSpec", "MonitorSpec", "OperatorSpec", "ParameterSpec",
    "PhaseOptions", "PhaseSpec", "RegisterSpec", "ReleaseSpec", "Resources", "RoleSpec", "ScheduleSpec", "Spec",
    "SplitSpec", "SubWorkflowSpec", "TestServiceSpec", "TrainSpec", "TransformSpec", "ValidateSpec", "Workflow",
]  # fmt: skip
