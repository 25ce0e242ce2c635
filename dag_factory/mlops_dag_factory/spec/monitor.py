"""The monitor: what is watched in production, when it is a breach, and what is done then."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import Duration, Gate, ParseTimeSpec, Spec, SpecError, exactly_one
from mlops_dag_factory.spec.labels import LabelsSpec

Action = Literal["notify", "retrain"]
Severity = Literal["warn", "fail"]


class WindowSpec(Spec):
    """Which predictions a check looks at: the last `size` of time, or the last `rows`."""

    size: Duration | None = Field(default=None, description="Length in time, as 24h.")
    rows: int | None = Field(default=None, ge=1, description="Number of the latest predictions.")

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        exactly_one(size=self.size, rows=self.rows)
        return self


class DataQualityCheck(Spec):
    """Missing and unseen values."""

    missing: float | None = Field(
        default=0.05, ge=0, le=1, description="Largest share of missing values in any feature."
    )


class DataDriftCheck(Spec):
    """Features that are distributed otherwise than in the baseline."""

    share: float = Field(default=0.3, gt=0, le=1, description="Share of features that must drift for a breach.")
    threshold: float = Field(default=0.1, gt=0, description="Score from which a feature counts as drifted.")
    method: Literal["wasserstein", "jensenshannon", "psi"] | None = Field(
        default=None, description="Distance; default: Wasserstein (normed) for numbers, Jensen-Shannon for categories."
    )
    severity: Severity = Field(
        default="fail", description="fail: drift is a breach; warn: it is shown, other checks decide."
    )


class PredictionDriftCheck(Spec):
    """Predictions that are distributed otherwise than in the baseline."""

    threshold: float = Field(
        default=0.1, gt=0, description="Jensen-Shannon (classes) or normed Wasserstein score of a breach."
    )
    severity: Severity = Field(
        default="fail", description="fail: drift is a breach; warn: it is shown, other checks decide."
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


class PolicySpec(Spec):
    """When a breach leads to action."""

    minimum_rows: int = Field(default=100, ge=1, description="Smaller windows are not judged.")
    consecutive: int = Field(default=1, ge=1, description="Breaches in a row that it takes.")
    cooldown: Duration = Field(default=timedelta(hours=24), description="No second retraining within this time.")
    per_week: int = Field(default=7, ge=0, description="Most retrainings within seven days.")


class MonitorSpec(ParseTimeSpec):
    """Watch the production service and act on breaches. Becomes the DAG `<workflow>.monitor`."""

    one_or_many: ClassVar = frozenset({"on_breach", "notify"})

    schedule: str | None = Field(default="@hourly", description="Cron or preset; null: only by hand.")
    environment: str = Field(default="production", description="Environment whose predictions are watched.")
    labels: LabelsSpec | None = Field(default=None, description="Where the true outcomes arrive.")
    window: WindowSpec = Field(default=WindowSpec(size=timedelta(hours=24)), description="Predictions to look at.")
    checks: ChecksSpec = Field(description="What is checked.")
    policy: PolicySpec = Field(default=PolicySpec(), description="When a breach leads to action.")
    on_breach: list[Action] = Field(default=["notify"], description="What to do, in this order.")
    notify: list[str] = Field(
        default_factory=list, description="Connections to notify (an HTTP connection: a webhook in JSON)."
    )
