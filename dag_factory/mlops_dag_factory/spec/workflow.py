"""The workflow: the root of a workflow file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import Discriminator, Field, StringConstraints, Tag, field_validator

from mlops_dag_factory.phases import phase_types
from mlops_dag_factory.spec.base import WORKFLOW_ID, PhaseId, PhaseOptions, PhaseSpec, Spec
from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_dag_factory.spec.parameters import ParameterSpec
from mlops_dag_factory.spec.schedule import ScheduleSpec


def _phase_type(value: Any) -> Any:
    return value.get("type") if isinstance(value, dict) else getattr(value, "type", None)


if TYPE_CHECKING:
    AnyPhase = PhaseSpec
else:
    _tagged = (Annotated[entry.spec_class(), Tag(name)] for name, entry in phase_types().items())
    AnyPhase = Annotated[Union[tuple(_tagged)], Discriminator(_phase_type)]  # noqa: UP007 (made from the table)
WorkflowId = Annotated[str, StringConstraints(pattern=WORKFLOW_ID)]


class Workflow(Spec):
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
