"""The monitor: what is watched in production, when it is a breach, and what is done then."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from mlops_dag_factory.spec.base import ParseTimeSpec
from mlops_dag_factory.spec.labels import LabelsSpec
from mlops_dag_factory.spec.monitoring.actions import Action
from mlops_dag_factory.spec.monitoring.checks import ChecksSpec
from mlops_dag_factory.spec.monitoring.policy import PolicySpec
from mlops_dag_factory.spec.monitoring.window import WindowSpec


class MonitorSpec(ParseTimeSpec):
    """Watch the production service and act on breaches. Becomes the DAG `<workflow>.monitor`."""

    one_or_many: ClassVar = frozenset({"on_breach", "notify"})

    schedule: str | None = Field(default="@hourly", description="Cron or preset; null: only by hand.")
    environment: str = Field(default="production", description="Environment whose predictions are watched.")
    labels: LabelsSpec | None = Field(default=None, description="Where the true outcomes arrive.")
    window: WindowSpec = Field(default=WindowSpec(size=timedelta(hours=24)), description="Predictions to look at.")
    checks: ChecksSpec = Field(description="What is checked.")
    policy: PolicySpec = Field(default=PolicySpec(), description="When a breach leads to action.")
    on_breach: list[Action] = Field(default=["notify"], description="What to do, in this order.")
    notify: list[str] = Field(
        default_factory=list, description="Connections to notify (an HTTP connection: a webhook in JSON)."
    )
