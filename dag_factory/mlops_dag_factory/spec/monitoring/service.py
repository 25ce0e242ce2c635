"""Where numbers of the service come from that its prediction log does not have."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import PhaseId, Spec, SpecError


class ServiceSourceSpec(Spec):
    """Where numbers of the service come from that its log does not have; default: the servers' own /metrics."""

    prometheus: str | None = Field(
        default=None, description="Airflow connection (HTTP) of a Prometheus server, or of what speaks its API."
    )
    metrics: dict[PhaseId, str] = Field(
        default_factory=dict,
        description="Numbers of your own: name -> PromQL that gives one number. $service, $version and $window are "
        "filled in. Gates of `checks.service` judge them.",
    )

    @model_validator(mode="after")
    def _asked(self) -> Self:
        if self.metrics and not self.prometheus:
            raise SpecError("'metrics' are asked of Prometheus", hint="prometheus: <connection id>")
        return self
