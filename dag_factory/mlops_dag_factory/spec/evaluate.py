"""Phase `evaluate`: metrics, gates, the model to compare with, slices."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import (
    DataReference,
    Duration,
    FunctionPath,
    Gate,
    ModelReference,
    ShorthandSpec,
    Spec,
    SpecError,
)
from mlops_dag_factory.spec.checkpoint import CheckpointSpec

_TAKEN = frozenset({"champion", "gain", "worst", "parameters", "fairness"})


class MetricSpec(ShorthandSpec):
    """One metric: a known one by its name, or one of the workflow's own by a function or by SQL."""

    shorthand: ClassVar = "name"

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$", description="Name of the metric; gates use it.")
    python: FunctionPath | None = Field(
        default=None,
        description="Function 'module:name' that takes the rows with 'prediction', 'truth' and "
        "'probability', as pandas, polars or Arrow by its annotation, and gives one number.",
    )
    sql: str | None = Field(
        default=None,
        description="Query over the table 'predictions' (the rows with 'prediction', 'truth' and 'probability') that "
        "gives one number, such as a business value.",
    )
    lower_is_better: bool = Field(default=False, description="True: less is better, as for a cost.")
    timeout: Duration = Field(default=timedelta(minutes=10), description="How long the function may take.")

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        if self.python is not None and self.sql is not None:
            raise SpecError("has both 'python' and 'sql'", hint="give one of the two")
        if self.name in _TAKEN:
            raise SpecError(f"'{self.name}' is no name for a metric", hint=f"gates use it: {', '.join(sorted(_TAKEN))}")
        if self.lower_is_better and self.python is None and self.sql is None:
            raise SpecError("'lower_is_better' is for metrics of your own", hint="known metrics know it themselves")
        return self


class SlicesSpec(Spec):
    """Which parts of the rows are looked at on their own."""

    columns: list[str] = Field(
        default_factory=list, description="Columns that cut the rows into slices; default: the features."
    )
    depth: int = Field(default=2, ge=1, le=3, description="How many conditions a slice may have.")
    minimum_rows: int = Field(default=30, ge=2, description="Smaller slices say too little and are left out.")
    show: int = Field(default=10, ge=1, le=100, description="How many of the worst are shown.")


class EvaluateSpec(CheckpointSpec):
    """Model evaluation checkpoint: metrics, gates and the champion on the same rows."""

    outputs: ClassVar = {"report": "report"}
    default_output: ClassVar = "report"

    type: Literal["evaluate"] = "evaluate"
    model: ModelReference = Field(description="Model to evaluate.")
    data: DataReference = Field(description="Dataset that the model has not seen.")
    metrics: list[MetricSpec] = Field(
        default_factory=list, description="Metrics to compute; default: the usual ones of the task."
    )
    gates: list[Gate] = Field(
        default_factory=list,
        description="Conditions that must hold, over <metric>, champion.<metric>, gain.<metric>.value, .low, .high and "
        ".p_value (the gain over the champion on the same rows, above 0 is better, with its 95 % interval), "
        "worst.<metric> (its worst value in any slice of one condition: the tenths of a number or a time, the values "
        "of any other column, missing; slices with fewer than minimum_rows or without a value, or ten "
        "positive rows for recall and its like, do not count), "
        "parameters.<name>.",
    )
    compare_to: Literal["champion", "none"] = Field(
        default="champion", description="Model to compare with on the same rows."
    )
    name: str = Field(default="", description="Name in the registry of the champion; default: the workflow's id.")
    drifted_window: Literal["better", "not_worse", "off"] = Field(
        default="better",
        description="Of a model that the monitor asked for, beside the gates: on the labelled rows of the window that "
        "broke, which it has not learnt, its gain over the champion must have a 95 % interval above 0 (better), or one "
        "that reaches 0 (not_worse), in the metric whose gate broke or the first usual one; off: nobody looks.",
    )
    slices: Literal["auto", "none"] | SlicesSpec = Field(
        default="auto", description="auto: the worst slices are found among all features; none; or where to look."
    )
    evidently: Literal["auto"] | bool = Field(
        default="auto",
        description="Evidently's own classification or regression report beside ours, of at most 5,000 rows (4 MB, "
        "five seconds); true: made in the phase; auto: made when somebody opens it.",
    )
