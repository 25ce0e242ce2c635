"""The table of phase types: type -> spec class and operator, both by dotted name; nothing is imported until used."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_dag_factory.spec import PhaseSpec

ENTRY_POINT_GROUP = "mlops.phase_types"


@dataclass(frozen=True, slots=True)
class PhaseType:
    """One phase type: where its spec class and its operator are, as 'module:Class'."""

    name: str
    spec: str
    operator: str

    def spec_class(self) -> type[PhaseSpec]:
        """Import the spec class."""
        return _load(self.spec)  # type: ignore[no-any-return]

    def operator_class(self) -> Any:
        """Import the operator; only at DAG parse and run time."""
        return _load(self.operator)


def _built_in(name: str, spec: str, operator: str, *, module: str = "") -> PhaseType:
    """Give a phase type of ours: spec and operator live in modules of its name, unless `module` says another."""
    return PhaseType(
        name, f"mlops_dag_factory.spec.{module or name}:{spec}", f"mlops_provider.operators.{name}:{operator}"
    )


BUILT_IN = (
    _built_in("ingest", "IngestSpec", "IngestDataOperator"),
    _built_in("label", "LabelSpec", "LabelDataOperator"),
    _built_in("validate", "ValidateSpec", "ValidateDataOperator", module="data"),
    _built_in("transform", "TransformSpec", "TransformDataOperator", module="data"),
    _built_in("split", "SplitSpec", "SplitDataOperator", module="data"),
    _built_in("train", "TrainSpec", "TrainModelOperator"),
    _built_in("evaluate", "EvaluateSpec", "EvaluateModelOperator"),
    _built_in("explain", "ExplainSpec", "ExplainModelOperator"),
    _built_in("package", "PackageSpec", "PackageModelOperator"),
    _built_in("register", "RegisterSpec", "RegisterModelOperator"),
    _built_in("deploy", "DeploySpec", "DeployModelOperator"),
    _built_in("test_service", "TestServiceSpec", "TestServiceOperator"),
    _built_in("approve", "ApproveSpec", "ApproveReleaseOperator"),
    _built_in("release", "ReleaseSpec", "ReleaseModelOperator"),
    _built_in("rollback", "RollbackSpec", "RollbackServiceOperator"),
    _built_in("predict", "PredictSpec", "PredictDataOperator"),
    _built_in("report", "ReportSpec", "ReportModelOperator"),
    _built_in("operator", "OperatorSpec", "run_operator"),
    _built_in("workflow", "SubWorkflowSpec", "StartWorkflowOperator", module="sub_workflow"),
)


@cache
def phase_types() -> dict[str, PhaseType]:
    """Give all phase types: the built-in ones and those of installed entry points."""
    types = {phase_type.name: phase_type for phase_type in BUILT_IN}
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        types.setdefault(entry.name, entry.load())
    return types


@cache
def _load(dotted: str) -> Any:
    module, _, name = dotted.partition(":")
    return getattr(import_module(module), name)
