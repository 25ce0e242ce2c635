"""Phase `approve`: who decides, on what, until when."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import Field

from mlops_dag_factory.spec.base import Duration, PhaseId
from mlops_dag_factory.spec.phase import PhaseSpec


class ApproveSpec(PhaseSpec):
    """People decide, with the evidence in front of them; no answer in time is a rejection."""

    in_worker: ClassVar = False
    one_or_many: ClassVar = frozenset({*PhaseSpec.one_or_many, "evidence", "roles"})

    type: Literal["approve"] = "approve"
    evidence: list[PhaseId] = Field(default_factory=list, description="Phases whose verdicts and metrics are shown.")
    approvers: list[str] = Field(
        default_factory=list, description="Airflow users who may decide; default: whoever may edit the run."
    )
    roles: list[PhaseId] = Field(
        default_factory=list, description="Roles whose users may decide, beside the approvers."
    )
    timeout: Duration | None = Field(
        default=timedelta(days=7), description="After this long without an answer it is rejected."
    )

    @classmethod
    def renders(cls, field: str) -> bool:
        """Say whether a field may be Jinja: the evidence makes the graph and may not."""
        return super().renders(field) and field != "evidence"

    def upstream(self) -> list[str]:
        """Give the phases that must succeed first: those of the evidence too."""
        return list(dict.fromkeys([*super().upstream(), *self.evidence]))
