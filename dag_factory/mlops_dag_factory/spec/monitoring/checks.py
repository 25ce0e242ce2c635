"""What a monitor checks."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import Gate, PhaseId, Spec, SpecError
from mlops_dag_factory.spec.monitoring.drift import DataDriftCheck, PredictionDriftCheck
from mlops_dag_factory.spec.monitoring.performance import BusinessMetric, FairnessCheck, ImportanceCheck


class DataQualityCheck(Spec):
    """Missing and unseen values."""

    missing: float | None = Field(
        default=0.05, ge=0, le=1, description="Largest share of missing values in any feature."
    )
    unseen_categories: Literal["off", "warn", "fail"] = Field(
        default="warn", description="Values of categories that the training has never had: say so, or a breach."
    )


class ChecksSpec(Spec):
    """What is checked. At least one."""

    data_quality: DataQualityCheck | None = Field(default=None, description="Missing and unseen values.")
    data_drift: DataDriftCheck | None = Field(default=None, description="Drift of the features.")
    prediction_drift: PredictionDriftCheck | None = Field(default=None, description="Drift of the predictions.")
    performance: list[Gate] = Field(
        default_factory=list,
        description="Conditions on metrics over labelled predictions. Gates see <metric>, worst_segment.<metric> (of "
        "`segments`), estimated_<metric> (before labels are there), fairness.<column>.<metric> (also .baseline and "
        ".change) and the names in `business`; of those that have an interval also .low and .high: "
        "'accuracy >= 0.9' judges the value, 'accuracy.high >= 0.9' breaks only where 95 % of the chances say so.",
    )
    estimate: bool = Field(
        default=True,
        description="Estimate performance from the model's probabilities, which are calibrated on labelled rows that "
        "it has not learned from, before labels arrive.",
    )
    business: dict[PhaseId, BusinessMetric] = Field(
        default_factory=dict, description="Numbers of the business: name -> query. Gates of `performance` judge them."
    )
    fairness: FairnessCheck | None = Field(default=None, description="Drift of how groups of people are treated.")
    importance: ImportanceCheck | None = Field(default=None, description="Drift of what the model looks at.")
    service: list[Gate] = Field(
        default_factory=list,
        description="Conditions on requests, requests_per_s, error_rate, latency_p50_ms, latency_p95_ms, "
        "latency_p99_ms (of the log), saturation, memory_mb, servers (of the servers), and with `service.prometheus` "
        "refused_per_s, cpu_cores, log_dropped_per_s and the names in `service.metrics`.",
    )

    @model_validator(mode="after")
    def _any(self) -> Self:
        checked = (self.data_quality, self.data_drift, self.prediction_drift, self.performance, self.service)
        if not any((*checked, self.importance)):
            hint = "name at least one of data_quality, data_drift, prediction_drift, performance, service, importance"
            raise SpecError("nothing is checked", hint=hint)
        return self
