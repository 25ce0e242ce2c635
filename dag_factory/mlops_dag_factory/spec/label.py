"""Phase `label`: people label rows."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import DataReference, Duration, SpecError
from mlops_dag_factory.spec.phase import PhaseSpec


class LabelSpec(PhaseSpec):
    """Push rows to Label Studio, wait for people without holding a worker, take their labels as a column.

    A phase has one project: a later run adds the rows that are new, and knows the labels of the others.
    """

    outputs: ClassVar = {"data": "dataset"}
    default_output: ClassVar = "data"
    in_worker: ClassVar = False
    portable: ClassVar = False

    type: Literal["label"] = "label"
    data: DataReference = Field(description="Dataset whose rows are labelled.")
    conn_id: str = Field(description="Airflow connection of type Label Studio.")
    template: Literal["text", "image", "table"] = Field(
        default="table", description="What people see: the text or the picture (its URL) in 'column', or the whole row."
    )
    column: str = Field(default="", description="Column that is shown (template: text, image).")
    labels: list[str] = Field(default_factory=list, description="The choices.")
    interface: str = Field(
        default="", description="Labeling interface as Label Studio's XML, instead of 'labels': it shows $row."
    )
    project: str = Field(default="", description="Title of the project; default: '<workflow>: <phase>'.")
    keys: list[str] = Field(default_factory=list, description="Columns that identify a row; default: all.")
    suggestion: str = Field(default="", description="Column whose value is shown as a first choice.")
    output: str = Field(default="label", min_length=1, description="Name of the column with the label.")
    minimum: int | None = Field(default=None, ge=1, description="How many rows must be labelled; default: all.")
    overlap: int = Field(default=1, ge=1, le=100, description="How many people label each row.")
    agreement: float = Field(
        default=0.5, gt=0, le=1, description="Share of a row's labels that must be the same; other rows are left out."
    )
    every: Duration = Field(default=timedelta(minutes=1), description="How often to look.")
    wait: Duration = Field(default=timedelta(days=14), description="After this long the run fails.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.labels and not self.interface:
            raise SpecError("needs 'labels' or 'interface'", hint="labels: the choices that people have")
        if len(set(self.labels)) < len(self.labels):
            raise SpecError("names a label twice")
        if self.template != "table" and not self.column:
            raise SpecError(f"'template: {self.template}' needs 'column'", hint="column: the one that is shown")
        return self
