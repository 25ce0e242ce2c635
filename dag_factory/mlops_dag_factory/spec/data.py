"""Phases of the data half: validate, transform, split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import (
    DataReference,
    DataReferences,
    Duration,
    FunctionPath,
    Gate,
    Input,
    ShorthandSpec,
    Spec,
    SpecError,
    exactly_one,
    is_template,
)
from mlops_dag_factory.spec.checkpoint import CheckpointSpec
from mlops_dag_factory.spec.ingest import ColumnType
from mlops_dag_factory.spec.phase import PhaseSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

_DATASET = Input(("dataset",))


class ForeignKey(Spec):
    """A column of another dataset that has every value of this one."""

    data: DataReference = Field(description="The other dataset.")
    column: str = Field(description="Its column.")

    @classmethod
    def renders(cls, field: str) -> bool:
        """Say whether a field may be Jinja: a reference is an edge and may not."""
        return field != "data"


class ColumnRule(Spec):
    """What one column must be like."""

    type: ColumnType | None = Field(default=None, description="Type of the column.")
    nullable: bool = Field(default=True, description="False: a missing value is a failure.")
    minimum: float | str | None = Field(default=None, description="Smallest value allowed.")
    maximum: float | str | None = Field(default=None, description="Largest value allowed.")
    allowed: list[Any] | None = Field(default=None, description="The values that may occur.")
    pattern: str | None = Field(default=None, description="Regular expression that every value matches in full.")
    unique: bool = Field(default=False, description="True: no value occurs twice.")
    references: ForeignKey | None = Field(default=None, description="Where every value must occur too.")
    severity: Literal["warn", "fail"] = Field(default="fail", description="What a failure does to the verdict.")


class FreshnessRule(Spec):
    """The latest row is young enough, counted from when the phase runs."""

    column: str = Field(description="Column that says when a row happened.")
    within: Duration = Field(description="How old the latest may be, as 2d.")


class DriftRule(Spec):
    """The data looks like a baseline, column by column: Evidently's scores."""

    baseline: DataReference = Field(description="Dataset to compare with.")
    columns: list[str] = Field(default_factory=list, description="Columns to compare; default: all but times.")
    threshold: float = Field(
        default=0.1,
        gt=0,
        description="Score from which a column counts as drifted (Wasserstein over the baseline's "
        "standard deviation for numbers, Jensen-Shannon distance for categories).",
    )
    share: float = Field(default=0.5, gt=0, le=1, description="Share of drifted columns from which the rule fails.")

    @classmethod
    def renders(cls, field: str) -> bool:
        """Say whether a field may be Jinja: a reference is an edge and may not."""
        return field != "baseline"


class Rule(ShorthandSpec):
    """One condition on a dataset: an expression, SQL that returns the rows that fail, its age, or its drift."""

    shorthand: ClassVar = "expression"

    expression: Gate | None = Field(
        default=None,
        description="Condition over row_count, columns.<name>.null_share, .mean, .minimum, .maximum, .distinct.",
    )
    sql: str | None = Field(
        default=None, description="Query over the table 'data'; each row that it returns is a failure."
    )
    freshness: FreshnessRule | None = Field(default=None, description="How old the latest row may be.")
    drift: DriftRule | None = Field(default=None, description="What the data must look like.")
    name: str = Field(default="", description="Name of the rule in the verdict.")
    message: str = Field(default="", description="Sentence shown when it fails.")
    severity: Literal["warn", "fail"] = Field(default="fail", description="What a failure does to the verdict.")

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        exactly_one(expression=self.expression, sql=self.sql, freshness=self.freshness, drift=self.drift)
        return self


class ValidateSpec(CheckpointSpec):
    """Data evaluation checkpoint: check a dataset against rules."""

    outputs: ClassVar = {"data": "dataset", "report": "report"}
    default_output: ClassVar = "data"

    type: Literal["validate"] = "validate"
    data: DataReference = Field(description="Dataset to check.")
    columns: dict[str, ColumnRule] = Field(default_factory=dict, description="Rules by column.")
    rules: list[Rule] = Field(default_factory=list, description="Conditions on the whole dataset.")
    personal: list[str] = Field(
        default_factory=list, description="Columns about persons: their values are masked in reports."
    )

    def nested_references(self) -> Iterator[tuple[tuple[str | int, ...], str, Input]]:
        """Give the datasets that foreign keys and drift rules compare with."""
        yield from super().nested_references()
        for name, column in self.columns.items():
            if column.references:
                yield ("columns", name, "references", "data"), column.references.data, _DATASET
        for index, rule in enumerate(self.rules):
            if rule.drift:
                yield ("rules", index, "drift", "baseline"), rule.drift.baseline, _DATASET


class TransformSpec(PhaseSpec):
    """Make a new dataset from one or many."""

    outputs: ClassVar = {"data": "dataset"}
    default_output: ClassVar = "data"

    one_or_many: ClassVar = frozenset({*PhaseSpec.one_or_many, "data"})

    type: Literal["transform"] = "transform"
    data: DataReferences = Field(
        description="Datasets to read; SQL sees each under its phase's name, one also as 'data'."
    )
    sql: str | None = Field(default=None, description="DuckDB query whose result is the new dataset.")
    python: FunctionPath | None = Field(
        default=None, description="Function 'module:name' that takes and returns a table."
    )

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        exactly_one(sql=self.sql, python=self.python)
        return self


class LeakageSpec(Spec):
    """What no two parts of a split may share; a split that leaks fails."""

    keys: list[str] = Field(default_factory=list, description="Columns whose equal values may not be in two parts.")
    rows: bool = Field(default=False, description="True: rows that are equal in every column may not be in two parts.")
    timestamp: str | None = Field(
        default=None, description="Column: no row of 'train' may be later than the first row of another part."
    )


class SplitSpec(PhaseSpec):
    """Divide a dataset into train, test and, where wanted, validation; the same input gives the same parts."""

    outputs: ClassVar = {"train": "dataset", "test": "dataset", "validation": "dataset"}

    type: Literal["split"] = "split"
    data: DataReference = Field(description="Dataset to divide.")
    test: float = Field(default=0.2, gt=0, lt=1, description="Share of rows in 'test'.")
    validation: float = Field(default=0.0, ge=0, lt=1, description="Share of rows in 'validation'.")
    by: Literal["random", "order", "time", "hash", "group"] = Field(
        default="random",
        description="random; order: the last rows are the test; time: the latest; hash or group: by 'keys'.",
    )
    keys: list[str] = Field(
        default_factory=list, description="Columns whose equal values stay together (by: hash, group, time)."
    )
    stratify: str | None = Field(default=None, description="Column whose shares stay equal in every part (by: random).")
    seed: int = Field(default=0, ge=0, description="Seed of the random generator.")
    leakage: LeakageSpec | None = Field(default=None, description="What no two parts may share.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if isinstance(self.test, float) and isinstance(self.validation, float) and self.test + self.validation >= 1:
            raise SpecError("test and validation together leave nothing to train on", hint="their sum is less than 1")
        if self.by in {"hash", "group", "time"} and not self.keys:
            raise SpecError(f"'by: {self.by}' needs 'keys'", hint="keys: the columns to divide by")
        if self.stratify and self.by != "random" and not is_template(self.by):
            raise SpecError(f"'stratify' does not go with 'by: {self.by}'", hint="it goes with by: random")
        return self
