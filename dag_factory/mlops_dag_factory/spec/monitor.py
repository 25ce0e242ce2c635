"""The monitor: what is watched in production, when it is a breach, and what is done then."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import ParseTimeSpec, SpecError
from mlops_dag_factory.spec.labels import LabelsSpec
from mlops_dag_factory.spec.monitoring.actions import Actions, TodoSpec, fallback_of, names_of, todo_of
from mlops_dag_factory.spec.monitoring.baseline import BaselineSpec
from mlops_dag_factory.spec.monitoring.checks import ChecksSpec
from mlops_dag_factory.spec.monitoring.data import MonitoredDataSpec
from mlops_dag_factory.spec.monitoring.policy import PolicySpec
from mlops_dag_factory.spec.monitoring.service import ServiceSourceSpec
from mlops_dag_factory.spec.monitoring.window import WindowSpec
from mlops_dag_factory.spec.phase import NotifierSpec


class MonitorSpec(ParseTimeSpec):
    """Watch the production service and act on breaches. Becomes the DAG `<workflow>.monitor`."""

    one_or_many: ClassVar = frozenset({"on_breach", "notify", "segments"})

    schedule: str | None = Field(default="@hourly", description="Cron or preset; null: only by hand.")
    environment: str = Field(default="production", description="Environment whose predictions are watched.")
    data: Literal["predictions"] | MonitoredDataSpec = Field(
        default="predictions", description="What is watched: the service's prediction log, or a dataset or query."
    )
    labels: LabelsSpec | None = Field(default=None, description="Where the true outcomes arrive.")
    window: WindowSpec = Field(default=WindowSpec(size=timedelta(hours=24)), description="Predictions to look at.")
    baseline: Literal["model"] | BaselineSpec = Field(
        default="model",
        description="What the window is compared with. model: what the live version was trained on; it moves with a "
        "release and back with a rollback.",
    )
    segments: list[str] = Field(
        default_factory=list, description="Features by whose values the window is looked at part by part, too."
    )
    checks: ChecksSpec = Field(description="What is checked.")
    service: ServiceSourceSpec | None = Field(
        default=None, description="Where numbers of the service come from that its log does not have."
    )
    policy: PolicySpec = Field(default=PolicySpec(), description="When a breach leads to action.")
    on_breach: Actions = Field(
        default=["notify"],
        description="What to do, each at most once: notify, {fallback: previous|alternate}, retrain, "
        "{todo: role:<name> or what is to be done}, stop (the service).",
    )
    notify: list[str | NotifierSpec] = Field(
        default_factory=list,
        description="Whom to tell: connections (HTTP connections that take JSON), 'role:<name>', notifiers.",
    )

    @property
    def actions(self) -> list[str]:
        """The names of the actions, in the order of the file."""
        return names_of(self.on_breach)

    @property
    def fallback(self) -> Literal["previous", "alternate"]:
        """The version that a fallback goes to."""
        return fallback_of(self.on_breach)

    @property
    def todo(self) -> TodoSpec:
        """What a to-do asks, and whom."""
        return todo_of(self.on_breach)

    @model_validator(mode="after")
    def _data(self) -> Self:
        if isinstance(self.data, MonitoredDataSpec):
            if self.labels:
                raise SpecError("'labels' join the prediction log", hint="data: {target: <column of the outcome>}")
            if self.checks.service or self.service:
                raise SpecError("'checks.service' is about a service", hint="data: predictions is what it answered")
        return self
