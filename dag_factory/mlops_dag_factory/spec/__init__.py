"""The spec models: what a workflow file may say. They are also the Python SDK.

The names below are found in their modules when they are used: a phase type of another distribution imports its base
classes from here, and the workflow imports every phase type.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_dag_factory.spec.approve import ApproveSpec
    from mlops_dag_factory.spec.base import Spec
    from mlops_dag_factory.spec.data import SplitSpec, TransformSpec, ValidateSpec
    from mlops_dag_factory.spec.deploy import DeploySpec
    from mlops_dag_factory.spec.evaluate import EvaluateSpec, MetricSpec, SlicesSpec
    from mlops_dag_factory.spec.explain import ExplainSpec
    from mlops_dag_factory.spec.ingest import IngestSpec
    from mlops_dag_factory.spec.label import LabelSpec
    from mlops_dag_factory.spec.monitor import MonitorSpec
    from mlops_dag_factory.spec.operator import OperatorSpec
    from mlops_dag_factory.spec.package import PackageSpec
    from mlops_dag_factory.spec.parameters import ParameterSpec
    from mlops_dag_factory.spec.phase import NotifySpec, PhaseOptions, PhaseSpec
    from mlops_dag_factory.spec.predict import PartitionsSpec, PredictSpec
    from mlops_dag_factory.spec.register import RegisterSpec
    from mlops_dag_factory.spec.release import ReleaseSpec
    from mlops_dag_factory.spec.report import ReportSpec
    from mlops_dag_factory.spec.resources import Resources, TolerationSpec
    from mlops_dag_factory.spec.roles import RoleSpec
    from mlops_dag_factory.spec.rollback import RollbackSpec
    from mlops_dag_factory.spec.schedule import ScheduleSpec
    from mlops_dag_factory.spec.sub_workflow import SubWorkflowSpec
    from mlops_dag_factory.spec.test_service import TestServiceSpec
    from mlops_dag_factory.spec.train import TrainSpec
    from mlops_dag_factory.spec.tune import TuneSpec
    from mlops_dag_factory.spec.workflow import Workflow

__all__ = [
    "ApproveSpec", "DeploySpec", "EvaluateSpec", "ExplainSpec", "IngestSpec", "LabelSpec", "MetricSpec", "MonitorSpec",
    "NotifySpec", "OperatorSpec", "PackageSpec", "ParameterSpec", "PartitionsSpec", "PhaseOptions", "PhaseSpec",
    "PredictSpec", "RegisterSpec", "ReleaseSpec", "ReportSpec", "Resources", "RoleSpec", "RollbackSpec", "ScheduleSpec",
    "SlicesSpec", "Spec", "SplitSpec", "SubWorkflowSpec", "TestServiceSpec", "TolerationSpec", "TrainSpec",
    "TransformSpec", "TuneSpec", "ValidateSpec", "Workflow",
]  # fmt: skip
_MODULES = {
    "approve": ("ApproveSpec",),
    "base": ("Spec",),
    "data": ("SplitSpec", "TransformSpec", "ValidateSpec"),
    "deploy": ("DeploySpec",),
    "evaluate": ("EvaluateSpec", "MetricSpec", "SlicesSpec"),
    "explain": ("ExplainSpec",),
    "ingest": ("IngestSpec",),
    "label": ("LabelSpec",),
    "monitor": ("MonitorSpec",),
    "operator": ("OperatorSpec",),
    "package": ("PackageSpec",),
    "parameters": ("ParameterSpec",),
    "phase": ("NotifySpec", "PhaseOptions", "PhaseSpec"),
    "predict": ("PartitionsSpec", "PredictSpec"),
    "register": ("RegisterSpec",),
    "release": ("ReleaseSpec",),
    "report": ("ReportSpec",),
    "resources": ("Resources", "TolerationSpec"),
    "rollback": ("RollbackSpec",),
    "roles": ("RoleSpec",),
    "schedule": ("ScheduleSpec",),
    "test_service": ("TestServiceSpec",),
    "train": ("TrainSpec",),
    "tune": ("TuneSpec",),
    "workflow": ("SubWorkflowSpec", "Workflow"),  # each needs the other
}
_WHERE = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import the module of a name."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value
