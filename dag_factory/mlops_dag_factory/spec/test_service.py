"""Phase `test_service`: what is asked of a running service, and what must hold."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlops_dag_factory.spec.base import DataReference, Gate, ServiceReference
from mlops_dag_factory.spec.checkpoint import CheckpointSpec


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
