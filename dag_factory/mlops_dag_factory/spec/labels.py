"""Labels: the true outcomes, which arrive later than the predictions."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import Duration, Spec, SpecError


class LabelsSpec(Spec):
    """Where the true outcomes arrive, later than the predictions.

    By key, an outcome names the request that it is of. By time, it is that of the nearest prediction before it, of the
    same entity where there are several.
    """

    source: str = Field(description="Path or fsspec URL of CSV or Parquet files (globs allowed) with the outcomes.")
    by: Literal["key", "time"] = Field(default="key", description="How outcomes and predictions find each other.")
    key: str = Field(default="request_id", description="Column that joins an outcome to a prediction's request id.")
    column: str = Field(default="", description="Column that holds the outcome; default: the model's target.")
    timestamp: str = Field(default="", description="by time: column that says when the outcome happened, in UTC.")
    entity: str = Field(
        default="",
        description="by time: column of the outcomes, and feature of the model (else the log's entity_id), of what "
        "it is about, as station.",
    )
    tolerance: Duration = Field(
        default=timedelta(hours=1), description="by time: how long before its outcome a prediction may be."
    )
    delay: Duration = Field(
        default=timedelta(0), description="How long outcomes usually take; younger predictions may lack one."
    )
    minimum_coverage: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of the predictions whose label is due that must have one, for performance to be judged.",
    )

    @model_validator(mode="after")
    def _by(self) -> Self:
        if self.by == "time" and not self.timestamp:
            raise SpecError("labels by time need 'timestamp'", hint="the column that says when the outcome happened")
        if self.by == "key" and (self.timestamp or self.entity):
            word = "timestamp" if self.timestamp else "entity"
            raise SpecError(f"'{word}' goes with 'by: time'")
        return self
