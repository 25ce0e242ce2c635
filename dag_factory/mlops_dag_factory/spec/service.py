"""Phases of the service half: deploy, test_service, approve, release."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import Field

from mlops_dag_factory.spec.base import (
    DataReference,
    Duration,
    Environment,
    Gate,
    ModelReference,
    PhaseId,
    ServiceReference,
)
from mlops_dag_factory.spec.checkpoint import CheckpointSpec
from mlops_dag_factory.spec.phase import PhaseSpec


class DeploySpec(PhaseSpec):
    """Make a service run a model version in an environment."""

    outputs: ClassVar = {"service": "service"}
    default_output: ClassVar = "service"

    type: Literal["deploy"] = "deploy"
    model: ModelReference = Field(description="Registered model version to deploy.")
    environment: Environment = Field(default="staging", description="Environment to deploy to.")
    wait: Duration = Field(
        default=timedelta(minutes=2), description="How long a model server may take to report it healthy."
    )


class TestServiceSpec(CheckpointSpec):
    """Performance evaluation checkpoint on the running service: parity, contract, latency, throughput."""

    __test__: ClassVar = False  # the name is the phase's; pytest must not collect it
    outputs: ClassVar = {"report": "report"}
    default_output: ClassVar = "report"

    type: Literal["test_service"] = "test_service"
    service: ServiceReference = Field(description="Service to test.")
    data: DataReference | None = Field(default=None, description="Rows to send; default: the model's golden rows.")
    requests: int = Field(
        default=200, ge=1, le=1_000_000, description="How many single-row requests measure the latency."
    )
    gates: list[Gate] = Field(
        default=["golden_mismatches == 0", "error_rate == 0", "contract_failures == 0"],
        description="Conditions over golden_mismatches, contract_failures, error_rate, latency_p50_ms, latency_p95_ms, "
        "latency_p99_ms, throughput_rps.",
    )


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


class ReleaseSpec(PhaseSpec):
    """Give a model version the production traffic, then the champion's alias."""

    outputs: ClassVar = {"service": "service"}
    default_output: ClassVar = "service"

    type: Literal["release"] = "release"
    model: ModelReference = Field(description="Registered model version to release.")
    environment: Environment = Field(default="production", description="Environment to release to.")
    strategy: Literal["all_at_once"] = Field(default="all_at_once", description="How traffic moves to the new version.")
    wait: Duration = Field(
        default=timedelta(minutes=2), description="How long a model server may take to report it healthy."
    )
