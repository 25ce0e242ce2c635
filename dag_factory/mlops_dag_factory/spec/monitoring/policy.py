"""When a breach leads to action."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from mlops_dag_factory.spec.base import Duration, Spec


class PolicySpec(Spec):
    """When a breach leads to action."""

    minimum_rows: int = Field(default=100, ge=1, description="Smaller windows are not judged.")
    consecutive: int = Field(default=1, ge=1, description="Breaches in a row that it takes.")
    cooldown: Duration = Field(default=timedelta(hours=24), description="No second retraining within this time.")
    per_week: int = Field(default=7, ge=0, description="Most retrainings within seven days.")
