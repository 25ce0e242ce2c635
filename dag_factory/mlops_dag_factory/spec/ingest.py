"""Phase `ingest`: data from outside, all of it or what is new."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import Duration, ParseTimeSpec, ShorthandSpec, SpecError, exactly_one
from mlops_dag_factory.spec.labels import LabelsSpec
from mlops_dag_factory.spec.phase import PhaseSpec

ColumnType = Literal["integer", "float", "string", "boolean", "timestamp", "date"]


class IncrementalSpec(ShorthandSpec):
    """Read what is new since the last run, and add it to what is there."""

    shorthand: ClassVar = "watermark"

    watermark: str | None = Field(
        default=None, description="Column that only grows, such as a time or a number: rows above the last are new."
    )
    files: bool = Field(default=False, description="True: files that were not read before, or have changed, are new.")
    late: Duration = Field(
        default=timedelta(0),
        description="How far below the watermark rows may still arrive: they are read again, and 'keys' with "
        "'deduplicate' tell which are known.",
    )

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        exactly_one(watermark=self.watermark, files=self.files or None)
        if self.late and self.watermark is None:
            raise SpecError("'late' goes with 'watermark'")
        return self


class ArrivalSpec(ParseTimeSpec):
    """Wait, without a worker, until enough new data is there."""

    files: int = Field(default=1, ge=1, description="How many new files.")
    rows: int = Field(default=0, ge=0, description="How many new rows; 0 does not count them.")
    every: Duration = Field(default=timedelta(minutes=1), description="How often to look.")
    timeout: Duration = Field(default=timedelta(days=1), description="After this long the run fails.")


class IngestSpec(PhaseSpec):
    """Read data from outside into the store."""

    outputs: ClassVar = {"data": "dataset", "new": "dataset"}
    default_output: ClassVar = "data"

    type: Literal["ingest"] = "ingest"
    source: str | list[str] | None = Field(
        default=None,
        description="Where the data is: a path or fsspec URL (globs allowed), 'sklearn:<name>', or 'predictions' "
        "(this workflow's production prediction log with the labels that have arrived). A list is joined by column "
        "name, row after row.",
    )
    conn_id: str | None = Field(default=None, description="Airflow connection of the database that 'sql' asks.")
    sql: str | None = Field(default=None, description="Query whose rows are read, instead of a source.")
    format: Literal["csv", "json", "parquet", "arrow"] | None = Field(
        default=None, description="File format; default: by the ending."
    )
    partitions: bool = Field(
        default=False, description="True: folders named like 'year=2026' become columns, as in a Hive table."
    )
    columns: dict[str, ColumnType] = Field(
        default_factory=dict, description="Types of columns; the others are inferred."
    )
    keys: list[str] = Field(default_factory=list, description="Columns that identify a row.")
    timestamp: str | None = Field(default=None, description="Column that says when a row happened.")
    labels: LabelsSpec | None = Field(default=None, description="Outcomes for 'predictions'; default: the monitor's.")
    deduplicate: bool = Field(default=False, description="Keep only the last row for each key (or each distinct row).")
    incremental: IncrementalSpec | None = Field(
        default=None, description="Read only what is new: 'data' is everything so far, 'new' what this run added."
    )
    wait: ArrivalSpec | None = Field(default=None, description="Wait for new data before reading it.")
    publish: bool = Field(
        default=False,
        description="True: new data is an event of the asset x-mlops://data/<workflow>/<phase>, on which other "
        "workflows can start.",
    )

    def sources(self) -> list[str]:
        """Give the sources as a list; none where a database is asked."""
        return [self.source] if isinstance(self.source, str) else self.source or []

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        exactly_one(source=self.source, sql=self.sql)
        if (self.sql is None) != (self.conn_id is None):
            raise SpecError("'sql' and 'conn_id' go together", hint="conn_id names an Airflow connection")
        step = self.incremental
        if step and step.files and self.sql is not None:
            raise SpecError("'incremental: {files: true}' needs files", hint="incremental: {watermark: <column>}")
        if step and step.late and not (self.keys and self.deduplicate):
            raise SpecError(
                "'late' needs 'keys' and 'deduplicate: true'", hint="else rows that are read again count twice"
            )
        if self.wait and self.sql is not None:
            raise SpecError("'wait' looks for files", hint="a query is asked when the schedule says so")
        if self.wait and (self.foreach or self.group):
            raise SpecError("'wait' needs a task of its own", hint="leave out foreach and group")
        return self
