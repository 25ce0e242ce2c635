"""When a workflow runs."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlops_dag_factory.spec.base import ParseTimeSpec, ShorthandSpec


class ScheduleSpec(ShorthandSpec, ParseTimeSpec):
    """When a workflow runs, never twice at once. Drift retraining is always added."""

    shorthand: ClassVar = "cron"
    one_or_many: ClassVar = frozenset({"assets"})

    cron: str | None = Field(default=None, description="Cron expression or preset, as '0 3 * * 1' or '@daily'.")
    timezone: str = Field(default="UTC", description="IANA time zone of the cron expression.")
    assets: list[str] = Field(default_factory=list, description="Asset URIs whose events start a run.")
    catchup: bool = Field(default=False, description="True: run for the missed dates too.")
    on_running: Literal["queue", "skip", "cancel"] = Field(
        default="queue",
        description="When a run is due while one is running. queue: it waits; skip: it does nothing; cancel: the "
        "running one stops before its next phase. Runs that people start always wait.",
    )
    on_failure: Literal["retry", "stop"] = Field(
        default="retry", description="After a failed run. retry: the next date runs again; stop: the DAG is paused."
    )
