"""Phase `approve`: who decides, on what, until when."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import Field

from mlops_dag_factory.spec.base import Duration, ModelReference, PhaseId
from mlops_dag_factory.spec.phase import PhaseSpec


class ApproveSpec(PhaseSpec):
    """People decide, with the evidence in front of them; one rejection, or no answer in time, rejects."""

    in_worker: ClassVar = False
    portable: ClassVar = False
    one_or_many: ClassVar = frozenset({*PhaseSpec.one_or_many, "evidence", "roles"})

    type: Literal["approve"] = "approve"
    model: ModelReference | None = Field(
        default=None, description="Model version that is decided on; default: what the run registered before."
    )
    evidence: list[PhaseId] = Field(
        default_factory=list,
        description="Phases whose verdicts and metrics are shown; default: the checkpoints before.",
    )
    approvers: list[str] = Field(
        default_factory=list, description="Airflow users who may decide; default: whoever may edit the run."
    )
    roles: list[PhaseId] = Field(
        default_factory=list, description="Roles whose users may decide, beside the approvers."
    )
    approvals: int = Field(default=1, ge=1, le=20, description="How many people must approve.")
    author_may_approve: bool = Field(
        default=False, description="Whether whoever started the run or answered for its parameters may decide too."
    )
    reason: Literal["rejection", "required"] = Field(
        default="rejection", description="When a reason must be given: for a rejection, or for an approval too."
    )
    timeout: Duration | None = Field(
        default=timedelta(days=7), description="After this long without enough answers it is rejected."
    )

    @classmethod
    def renders(cls, field: str) -> bool:
        """Say whether a field may be Jinja: what makes the graph and who decides may not."""
        return super().renders(field) and field not in {"evidence", "approvers", "roles", "author_may_approve"}

    def upstream(self) -> list[str]:
        """Give the phases that must succeed first: those of the evidence too."""
        return list(dict.fromkeys([*super().upstream(), *self.evidence]))
