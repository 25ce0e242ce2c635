"""The spec models: what a workflow file may say. They are also the Python SDK."""

from __future__ import annotations

from mlops_dag_factory.spec.base import PhaseOptions, PhaseSpec, Resources, Spec
from mlops_dag_factory.spec.data import IngestSpec, SplitSpec, TransformSpec, ValidateSpec
from mlops_dag_factory.spec.model import EvaluateSpec, RegisterSpec, TrainSpec
from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_dag_factory.spec.operator import OperatorSpec
from mlops_dag_factory.spec.parameters import ParameterSpec
from mlops_dag_factory.spec.schedule import ScheduleSpec
from mlops_dag_factory.spec.service import ApproveSpec, DeploySpec, ReleaseSpec, TestServiceSpec
from mlops_dag_factory.spec.workflow import Workflow

__all__ = [
    "ApproveSpec", "DeploySpec", "EvaluateSpec", "IngestSpec", "MonitorSpec", "OperatorSpec", "ParameterSpec",
    "PhaseOptions", "PhaseSpec", "RegisterSpec", "ReleaseSpec", "Resources", "ScheduleSpec", "Spec", "SplitSpec",
    "TestServiceSpec", "TrainSpec", "TransformSpec", "ValidateSpec", "Workflow",
]  # fmt: skip
