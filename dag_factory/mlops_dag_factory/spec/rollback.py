"""Phase `rollback`: a service goes back to a version that it had."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import Duration, Environment, ServiceReference, SpecError
from mlops_dag_factory.spec.phase import PhaseSpec


class RollbackSpec(PhaseSpec):
    """Give the traffic, and the champion's alias, back to a version that the service had."""

    outputs: ClassVar = {"service": "service"}
    default_output: ClassVar = "service"
    portable: ClassVar = False  # it acts on servers that only the worker reaches

    type: Literal["rollback"] = "rollback"
    service: ServiceReference | None = Field(
        default=None, description="Service to roll back; default: the workflow's in `environment`."
    )
    environment: Environment = Field(default="production", description="Environment whose service is rolled back.")
    to: str = Field(
        default="previous",
        min_length=1,
        description="previous: the version before the one that is live; alternate: the one that stands by; "
        "or a version that the service has had.",
    )
    reason: str = Field(min_length=1, description="Why: it goes into the service's history and the audit chain.")
    wait: Duration = Field(
        default=timedelta(seconds=30),
        description="How long the model servers are waited for; without one the record is changed all the same.",
    )

    @model_validator(mode="after")
    def _one_service(self) -> Self:
        if self.service is not None and "environment" in self.model_fields_set:
            raise SpecError("has both 'service' and 'environment'", hint="give one of the two")
        return self
