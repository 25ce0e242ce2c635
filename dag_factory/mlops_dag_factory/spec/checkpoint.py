"""Checkpoints: phases that give a verdict, and what a blocked one does."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import Duration, ParseTimeSpec, PhaseId, SpecError
from mlops_dag_factory.spec.phase import PhaseSpec


class OverrideSpec(ParseTimeSpec):
    """Who may let a run go on although a checkpoint blocked it; they give a reason, which stays on record."""

    one_or_many: ClassVar = frozenset({"roles", "approvers"})

    roles: list[PhaseId] = Field(default_factory=list, description="Roles whose users may decide.")
    approvers: list[str] = Field(
        default_factory=list,
        description="Airflow users who may decide; default, without roles: whoever may edit the run.",
    )
    timeout: Duration = Field(
        default=timedelta(days=3), description="After this long without an answer the phase fails."
    )


class CheckpointSpec(PhaseSpec):
    """Root of the phase types that judge."""

    checkpoint: ClassVar = True

    on_fail: Literal["stop", "skip", "ask"] = Field(
        default="stop",
        description="stop: the task fails; skip: what follows is skipped; ask: a person may override, with a reason.",
    )
    override: OverrideSpec | None = Field(default=None, description="Who is asked, and for how long (on_fail: ask).")

    @model_validator(mode="after")
    def _asked(self) -> Self:
        if self.override is not None and self.on_fail != "ask":
            raise SpecError("'override' goes with on_fail: ask")
        if self.on_fail == "ask" and (self.foreach or self.group):
            other = "foreach" if self.foreach else "group"
            raise SpecError(f"'on_fail: ask' does not go with '{other}'", hint="a question belongs to one task")
        return self
