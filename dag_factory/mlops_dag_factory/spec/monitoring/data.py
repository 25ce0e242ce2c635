"""Data that a monitor watches in place of the prediction log: any dataset or query."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import Spec, SpecError, exactly_one
from mlops_dag_factory.spec.ingest import ColumnType, IngestSpec


class TableSpec(Spec):
    """Rows from outside: files or a query, as an ingest reads them."""

    one_or_many: ClassVar = frozenset({"source"})

    source: list[str] | None = Field(
        default=None, description="Path or fsspec URL (globs allowed), or 'sklearn:<name>'; a list is read as one."
    )
    conn_id: str | None = Field(default=None, description="Airflow connection of the database that 'sql' asks.")
    sql: str | None = Field(default=None, description="Query whose rows are read, instead of a source.")
    format: Literal["csv", "json", "parquet", "arrow"] | None = Field(
        default=None, description="File format; default: by the ending."
    )
    columns: dict[str, ColumnType] = Field(
        default_factory=dict, description="Types of columns; the others are inferred."
    )
    prediction: str = Field(default="", description="Column with what a model answered; default: there is none.")

    @property
    def given(self) -> bool:
        """Whether it names rows at all."""
        return self.source is not None or self.sql is not None

    def ingest(self) -> IngestSpec:
        """Give the ingest that reads the rows."""
        return IngestSpec(
            source=self.source, conn_id=self.conn_id, sql=self.sql, format=self.format, columns=self.columns
        )

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.sql is None) != (self.conn_id is None):
            raise SpecError("'sql' and 'conn_id' go together", hint="conn_id names an Airflow connection")
        if "predictions" in (self.source or ()):
            raise SpecError("the prediction log is no source here", hint="data: predictions is the default")
        return self


class MonitoredDataSpec(TableSpec):
    """Rows that a monitor watches in place of the prediction log; there need be no service."""

    timestamp: str = Field(description="Column that says when a row happened; without a time zone it is UTC.")
    target: str = Field(default="", description="Column with the true outcome, empty as long as it is not known.")
    probability: str = Field(default="", description="Column with the probability of the predicted class.")
    task: Literal["classification", "regression"] | None = Field(
        default=None, description="What is predicted; default: regression where it is a number with a fraction."
    )

    @model_validator(mode="after")
    def _rows(self) -> Self:
        exactly_one(source=self.source, sql=self.sql)
        return self
