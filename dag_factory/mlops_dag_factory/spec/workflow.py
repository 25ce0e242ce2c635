"""The workflow: the root of a workflow file."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, Union, cast

from pydantic import Discriminator, Field, StringConstraints, Tag, field_validator

from mlops_dag_factory.phases import phase_types
from mlops_dag_factory.source import dump
from mlops_dag_factory.spec.base import ParseTimeSpec, PhaseId, SpecError, WorkflowId
from mlops_dag_factory.spec.freeze import FreezeSpec
from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_dag_factory.spec.parameters import ParameterSpec
from mlops_dag_factory.spec.phase import NotifySpec, PhaseOptions, PhaseSpec
from mlops_dag_factory.spec.roles import RoleSpec
from mlops_dag_factory.spec.schedule import ScheduleSpec
from mlops_dag_factory.spec.sub_workflow import SubWorkflowSpec
from mlops_provider.evidence_policy import Risk

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from airflow.sdk import DAG


def _phase_type(value: Any) -> Any:
    return value.get("type") if isinstance(value, dict) else getattr(value, "type", None)


if TYPE_CHECKING:
    AnyPhase = PhaseSpec
else:
    _tagged = (Annotated[entry.spec_class(), Tag(name)] for name, entry in phase_types().items())
    AnyPhase = Annotated[Union[tuple(_tagged)], Discriminator(_phase_type)]  # noqa: UP007 (made from the table)
ProfileName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,30}$")]
Requirement = Literal["approval", "gates", "monitor"]


class Workflow(ParseTimeSpec):
    """One machine-learning product, from data to retraining."""

    one_or_many: ClassVar = frozenset({"notify", "include"})

    workflow: WorkflowId = Field(description="Id: the DAG's id, the model's name, the service's name.")
    version: str = Field(
        default="", description="Version of this definition, for people; runs keep the definition they had."
    )
    title: str = Field(default="", description="Name as people see it.")
    description: str = Field(default="", description="Markdown: what the product does.")
    owner: str = Field(default="airflow", description="Who answers for it.")
    team: PhaseId | None = Field(default=None, description="Team whose pool and quota the phases use.")
    tags: list[str] = Field(default_factory=list, description="Tags in the Airflow UI.")
    include: list[str] = Field(
        default_factory=list,
        description="Files with shared phases, parameters and defaults, below this folder; this file wins.",
    )
    schedule: ScheduleSpec = Field(
        default=ScheduleSpec(), description="When it runs; drift retraining is always added."
    )
    parameters: dict[PhaseId, ParameterSpec] = Field(
        default_factory=dict, description="The knobs of a run: the trigger form."
    )
    presets: dict[PhaseId, dict[PhaseId, Any]] = Field(
        default_factory=dict, description="Named sets of parameter values, chosen in the trigger form."
    )
    profiles: dict[ProfileName, dict[str, Any]] = Field(
        default_factory=dict, description="Named overlays of this file, chosen by MLOPS_PROFILE or --profile."
    )
    scenes: dict[PhaseId, Annotated[list[PhaseId], Field(min_length=1)]] = Field(
        default_factory=dict, description="Named subsets of phases for partial runs, chosen in the trigger form."
    )
    defaults: PhaseOptions = Field(
        default=PhaseOptions(), description="Options of every phase that does not set its own."
    )
    notify: list[NotifySpec] = Field(default_factory=list, description="Who is told of what.")
    roles: dict[PhaseId, RoleSpec] = Field(default_factory=dict, description="The people behind role:<name>.")
    requires: list[Requirement] = Field(
        default_factory=list,
        description="What must come before a release (approval; gates: an evaluation with gates) or exist (monitor). "
        "Usually set by a profile.",
    )
    risk: Risk | None = Field(
        default=None,
        description="Risk class of the product: what its deployment's policies ([mlops] policies) require before a "
        "release, and forbid.",
    )
    freeze: list[FreezeSpec] = Field(
        default_factory=list, description="Times in which nothing is released. Usually set by a profile."
    )
    phases: dict[PhaseId, AnyPhase] = Field(min_length=1, description="What is done, by name.")
    monitor: MonitorSpec | None = Field(default=None, description="What is watched in production.")

    @field_validator("include")
    @classmethod
    def _included(cls, value: list[str]) -> list[str]:
        if value:
            raise SpecError("is resolved when a file is read; a workflow in Python has all its phases")
        return value

    def upstream(self, name: str) -> list[str]:
        """Give the phases of this workflow that must succeed right before a phase."""
        return [other for other in self.phases[name].upstream() if other in self.phases]

    def graph(self) -> dict[str, list[str]]:
        """Give, for every phase, those that must succeed right before it."""
        return {name: self.upstream(name) for name in self.phases}

    @classmethod
    def read(cls, path: Path, profile: str = "") -> Self:
        """Read a workflow file, under a profile where one is named; WorkflowError carries all its problems."""
        reading = import_module("mlops_dag_factory.reading")  # by name: the layers above are not known here
        return cast("Self", reading.read_workflow(path, profile))

    def validate(self) -> None:  # type: ignore[override] # pydantic deprecates its own of this name
        """Apply the rules across phases, as reading a file does; WorkflowError carries all problems."""
        import_module("mlops_dag_factory.reading").validate_workflow(self)

    def to_yaml(self) -> str:
        """Give the workflow file that reads as this workflow; what is a default is left out."""
        return dump(self.to_data())

    def to_data(self) -> dict[str, Any]:
        """Give the data of the workflow file, as plain values in the order in which people read them."""
        data = self.model_dump(mode="json", exclude_defaults=True)
        phases = data.pop("phases")
        monitor = data.pop("monitor", None)
        for name, phase in self.phases.items():
            if isinstance(phase, SubWorkflowSpec) and phase.definition is not None:
                phases[name]["definition"] = phase.definition.to_data()
        data["phases"] = {name: {"type": self.phases[name].type, **fields} for name, fields in phases.items()}
        return data if monitor is None else {**data, "monitor": monitor}

    def dags(self) -> list[DAG]:
        """Compile to Airflow DAGs: the workflow's, and those of its monitor and of services that stop by themselves."""
        dags: list[DAG] = import_module("mlops_dag_factory.compiler").compile_all(self)
        return dags


def ancestors(graph: Mapping[str, Iterable[str]], name: str) -> set[str]:
    """Give all that comes before a node of a graph, which maps nodes to those right before them."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = [other for other in graph[waiting.pop()] if other not in found]
        found.update(new)
        waiting.extend(new)
    return found


SubWorkflowSpec.model_rebuild(_types_namespace={"Workflow": Workflow})
Workflow.model_rebuild(force=True)
