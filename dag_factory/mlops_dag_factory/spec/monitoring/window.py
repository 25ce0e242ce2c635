"""Which rows a monitor looks at."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import Duration, Spec, SpecError, exactly_one


class WindowSpec(Spec):
    """Which predictions a check looks at: the last `size` of time, or the last `rows`."""

    size: Duration | None = Field(default=None, description="Length in time, as 24h.")
    rows: int | None = Field(default=None, ge=1, description="Number of the latest predictions.")
    kept: int = Field(
        default=20_000,
        ge=100,
        description="How many rows are kept as rows: all of a smaller window, else a sample. Its profile, and with it "
        "the drift, is always of all rows.",
    )
    tasks: int = Field(
        default=1, ge=1, le=100, description="How many tasks of the monitor's DAG profile the hours of the log."
    )

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        exactly_one(size=self.size, rows=self.rows)
        if self.tasks > 1 and self.size is None:
            raise SpecError("'tasks' goes with 'size'", hint="which hours the latest rows are in is not known before")
        return self
