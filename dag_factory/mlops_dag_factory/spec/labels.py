"""Labels: the true outcomes, which arrive later than the predictions."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from mlops_dag_factory.spec.base import Duration, Spec


class LabelsSpec(Spec):
    """Where the true outcomes arrive, later than the predictions."""

    source: str = Field(description="Path or fsspec URL of CSV or Parquet files (globs allowed) with the outcomes.")
    key: str = Field(default="request_id", description="Column that joins an outcome to a prediction's request id.")
    column: str = Field(default="", description="Column that holds the outcome; default: the model's target.")
    delay: Duration = Field(
        default=timedelta(0), description="How long outcomes usually take; younger predictions may lack one."
    )
