"""Phase `predict`: a model answers for every row of a dataset."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import (
    DataReference,
    ModelReference,
    ShorthandSpec,
    SpecError,
    WorkflowId,
    exactly_one,
)
from mlops_dag_factory.spec.phase import PhaseSpec


class PartitionsSpec(ShorthandSpec):
    """How the rows are divided; each partition is scored once, and on its own."""

    shorthand: ClassVar = "column"

    column: str | None = Field(
        default=None,
        description="Column whose equal values make a partition: one that did not change is kept as it is.",
    )
    rows: int | None = Field(default=None, ge=1, description="Rows in a partition, in the order of the dataset.")

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        exactly_one(column=self.column, rows=self.rows)
        return self


class PredictSpec(PhaseSpec):
    """Batch scoring: predict for every row of a dataset, in partitions that are scored exactly once."""

    outputs: ClassVar = {"data": "dataset"}
    default_output: ClassVar = "data"
    one_or_many: ClassVar = frozenset({*PhaseSpec.one_or_many, "keep"})

    type: Literal["predict"] = "predict"
    model: ModelReference | None = Field(default=None, description="Model, or registered version of it, that predicts.")
    champion: WorkflowId | None = Field(
        default=None, description="Name of a registered model whose champion predicts, instead of 'model'."
    )
    data: DataReference = Field(description="Rows to predict for; they need the model's features, and no target.")
    keep: list[str] = Field(
        default_factory=list, description="Columns of the data that stand beside the predictions, such as its keys."
    )
    probabilities: bool = Field(
        default=False, description="True: a column 'probability_<class>' for each class, or label, too."
    )
    partitions: PartitionsSpec = Field(
        default=PartitionsSpec(rows=500_000), description="How the rows are divided: a column, or {rows: 100000}."
    )
    destination: str | None = Field(
        default=None,
        description="Folder or fsspec URL where Parquet files are written too, one for each partition; it is new, or "
        "has what equal work left there.",
    )
    window: bool = Field(
        default=False,
        description="True: the columns of the prediction log too (x_<feature> and the like), as a monitor wants them.",
    )
    timestamp: str | None = Field(default=None, description="Column that says when a row happened: 'ts' of the window.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        exactly_one(model=self.model, champion=self.champion)
        if self.timestamp is not None and not self.window:
            raise SpecError("'timestamp' goes with 'window: true'")
        return self
