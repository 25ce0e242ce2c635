"""What a monitor checks."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import Gate, Spec, SpecError
from mlops_dag_factory.spec.monitoring.drift import DataDriftCheck, PredictionDriftCheck


class DataQualityCheck(Spec):
    """Missing and unseen values."""

    missing: float | None = Field(
        default=0.05, ge=0, le=1, description="Largest share of missing values in any feature."
    )


class ChecksSpec(Spec):
    """What is checked. At least one."""

    data_quality: DataQualityCheck | None = Field(default=None, description="Missing and unseen values.")
    data_drift: DataDriftCheck | None = Field(default=None, description="Drift of the features.")
    prediction_drift: PredictionDriftCheck | None = Field(default=None, description="Drift of the predictions.")
    performance: list[Gate] = Field(
        default_factory=list, description="Conditions on metrics over labelled predictions."
    )
    service: list[Gate] = Field(default_factory=list, description="Conditions on latency_p95_ms, error_rate, requests.")

    @model_validator(mode="after")
    def _any(self) -> Self:
        if not any((self.data_quality, self.data_drift, self.prediction_drift, self.performance, self.service)):
            hint = "name at least one of data_quality, data_drift, prediction_drift, performance, service"
            raise SpecError("nothing is checked", hint=hint)
        return self
