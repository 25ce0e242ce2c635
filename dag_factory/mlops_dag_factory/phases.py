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


_SPEC = "mlops_dag_factory.spec"
_OPERATORS = "mlops_provider.operators"
BUILT_IN = (
    PhaseType("ingest", f"{_SPEC}.ingest:IngestSpec", f"{_OPERATORS}.ingest:IngestDataOperator"),
    PhaseType("label", f"{_SPEC}.label:LabelSpec", f"{_OPERATORS}.label:LabelDataOperator"),
    PhaseType("validate", f"{_SPEC}.data:ValidateSpec", f"{_OPERATORS}.validate:ValidateDataOperator"),
    PhaseType("transform", f"{_SPEC}.data:TransformSpec", f"{_OPERATORS}.transform:TransformDataOperator"),
    PhaseType("split", f"{_SPEC}.data:SplitSpec", f"{_OPERATORS}.split:SplitDataOperator"),
    PhaseType("train", f"{_SPEC}.train:TrainSpec", f"{_OPERATORS}.train:TrainModelOperator"),
    PhaseType("evaluate", f"{_SPEC}.evaluate:EvaluateSpec", f"{_OPERATORS}.evaluate:EvaluateModelOperator"),
    PhaseType("register", f"{_SPEC}.register:RegisterSpec", f"{_OPERATORS}.register:RegisterModelOperator"),
    PhaseType("deploy", f"{_SPEC}.service:DeploySpec", f"{_OPERATORS}.deploy:DeployModelOperator"),
    PhaseType("test_service", f"{_SPEC}.service:TestServiceSpec", f"{_OPERATORS}.test_service:TestServiceOperator"),
    PhaseType("approve", f"{_SPEC}.service:ApproveSpec", f"{_OPERATORS}.approve:ApproveReleaseOperator"),
    PhaseType("release", f"{_SPEC}.service:ReleaseSpec", f"{_OPERATORS}.release:ReleaseModelOperator"),
    PhaseType("operator", f"{_SPEC}.operator:OperatorSpec", f"{_OPERATORS}.operator:run_operator"),
    PhaseType("workflow", f"{_SPEC}.sub_workflow:SubWorkflowSpec", f"{_OPERATORS}.workflow:StartWorkflowOperator"),
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
