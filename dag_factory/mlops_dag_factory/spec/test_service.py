"""Phase `test_service`: what is asked of a running service, and what must hold."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mlops_dag_factory.spec.base import DataReference, Duration, Gate, ServiceReference
from mlops_dag_factory.spec.checkpoint import CheckpointSpec


class TestServiceSpec(CheckpointSpec):
    """Performance evaluation checkpoint on the running service: parity, contract, latency, throughput."""

    __test__: ClassVar = False  # the name is the phase's; pytest must not collect it
    outputs: ClassVar = {"report": "report"}
    one_or_many: ClassVar = frozenset({*CheckpointSpec.one_or_many, "concurrency"})
    default_output: ClassVar = "report"
    portable: ClassVar = False  # it acts on servers that only the worker reaches

    type: Literal["test_service"] = "test_service"
    service: ServiceReference = Field(description="Service to test.")
    data: DataReference | None = Field(default=None, description="Rows to send; default: the model's golden rows.")
    requests: int = Field(
        default=200, ge=1, le=1_000_000, description="How many single-row requests measure the latency."
    )
    compare_to: Literal["champion", "none"] = Field(
        default="champion",
        description="champion: the version that production, or else the same environment, gives most of its traffic "
        "to is asked in turn with this one, so that gates may name champion.<metric>.",
    )
    concurrency: list[Annotated[int, Field(ge=1, le=256)]] = Field(
        default=[4], description="How many requests are in work at once; each level is measured on its own."
    )
    fuzz: int = Field(
        default=40,
        ge=0,
        le=10_000,
        description="How many requests are made from the service's OpenAPI document by Schemathesis (extra "
        "service-test) for each way to predict; they count as contract cases.",
    )
    soak: Duration | None = Field(default=None, description="How long the service is kept busy, as 5m; default: not.")
    within: Duration = Field(
        default=timedelta(minutes=5), description="How long each measurement but the soak may take at most."
    )
    answer_within: Duration = Field(
        default=timedelta(seconds=30), description="How long one request may take; what takes longer is an error."
    )
    gates: list[Gate] = Field(
        default=["golden_mismatches == 0", "error_rate == 0", "contract_failures == 0", "robustness_failures == 0"],
        description="Conditions over golden_mismatches, contract_failures, robustness_failures, rows_per_second, "
        "error_rate, latency_p50_ms, latency_p95_ms, latency_p99_ms and throughput_rps; these five with champion. "
        "before, of a level of concurrency with _at_<n> after, of the soak with soak_ before; and memory_growth_mb.",
    )
