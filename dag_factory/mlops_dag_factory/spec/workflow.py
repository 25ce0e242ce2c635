"""The workflow: the root of a workflow file."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Self, Union, cast

from pydantic import Discriminator, Field, StringConstraints, Tag, field_validator

from mlops_dag_factory.phases import phase_types
from mlops_dag_factory.source import dump
from mlops_dag_factory.spec.base import WORKFLOW_ID, ParseTimeSpec, PhaseId, PhaseOptions, PhaseSpec
from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_dag_factory.spec.parameters import ParameterSpec
from mlops_dag_factory.spec.schedule import ScheduleSpec

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.sdk import DAG


def _phase_type(value: Any) -> Any:
    return value.get("type") if isinstance(value, dict) else getattr(value, "type", None)


if TYPE_CHECKING:
    AnyPhase = PhaseSpec
else:
    _tagged = (Annotated[entry.spec_class(), Tag(name)] for name, entry in phase_types().items())
    AnyPhase = Annotated[Union[tuple(_tagged)], Discriminator(_phase_type)]  # noqa: UP007 (made from the table)
WorkflowId = Annotated[str, StringConstraints(pattern=WORKFLOW_ID)]


class Workflow(ParseTimeSpec):
    """One machine-learning product, from data to retraining."""

    workflow: WorkflowId = Field(description="Id: the DAG's id, the model's name, the service's name.")
    title: str = Field("", description="Name as people see it.")
    description: str = Field("", description="Markdown: what the product does.")
    owner: str = Field("airflow", description="Who answers for it.")
    tags: list[str] = Field(default=[], description="Tags in the Airflow UI.")
    schedule: ScheduleSpec = Field(
        default=ScheduleSpec(), description="When it runs; drift retraining is always added."
    )
    parameters: dict[PhaseId, ParameterSpec] = Field(default={}, description="The knobs of a run: the trigger form.")
    defaults: PhaseOptions = Field(
        default=PhaseOptions(), description="Options of every phase that does not set its own."
    )
    phases: dict[PhaseId, AnyPhase] = Field(min_length=1, description="What is done, by name.")
    monitor: MonitorSpec | None = Field(None, description="What is watched in production.")

    @field_validator("schedule", mode="before")
    @classmethod
    def _schedule_from_text(cls, value: Any) -> Any:
        return {"cron": value} if isinstance(value, str) else ScheduleSpec() if value is None else value

    def upstream(self, name: str) -> list[str]:
        """Give the phases of this workflow that must succeed right before a phase."""
        return [other for other in self.phases[name].upstream() if other in self.phases]

    def ancestors(self, name: str) -> set[str]:
        """Give all phases that come before a phase."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            new = set(self.upstream(waiting.pop())) - found
            found |= new
            waiting.extend(new)
        return found

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a workflow file; WorkflowError carries all its problems."""
        reading = import_module("mlops_dag_factory.reading")  # by name: the layers above are not known here
        return cast("Self", reading.read_workflow(path))

    def to_yaml(self) -> str:
        """Give the workflow file that reads as this workflow; what is a default is left out."""
        data = self.model_dump(mode="json", exclude_defaults=True)
        phases = data.pop("phases")
        monitor = data.pop("monitor", None)
        data["phases"] = {name: {"type": self.phases[name].type, **fields} for name, fields in phases.items()}
        return dump(data if monitor is None else {**data, "monitor": monitor})

    def dags(self) -> list[DAG]:
        """Compile to Airflow DAGs: the workflow's and, where there is a monitor, the monitor's."""
        compiler = import_module("mlops_dag_factory.compiler")
        dags = (compiler.compile_workflow(self), compiler.compile_monitor(self))
        return [dag for dag in dags if dag is not None]
