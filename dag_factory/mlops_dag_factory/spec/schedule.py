"""When a workflow runs."""

from __future__ import annotations

from pydantic import Field

from mlops_dag_factory.spec.base import ParseTimeSpec


class ScheduleSpec(ParseTimeSpec):
    """When a workflow runs. Drift retraining is always added."""

    cron: str | None = Field(None, description="Cron expression or preset, as '0 3 * * 1' or '@daily'.")
    timezone: str = Field("UTC", description="IANA time zone of the cron expression.")
    assets: list[str] = Field(default=[], description="Asset URIs whose events start a run.")
    catchup: bool = Field(False, description="True: run for the missed dates too.")
