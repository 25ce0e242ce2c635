"""Phase `train`: data, target, estimator or function, preprocessing, weights, early stopping."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import (
    DataReference,
    FunctionPath,
    ImportPath,
    ShorthandSpec,
    Spec,
    SpecError,
    exactly_one,
)
from mlops_dag_factory.spec.phase import PhaseSpec
from mlops_dag_factory.spec.tune import TuneSpec

Task = Literal["classification", "multilabel", "regression", "ranking", "forecasting"]


class StepSpec(ShorthandSpec):
    """One transformer of a preprocessing."""

    shorthand: ClassVar = "transformer"

    transformer: ImportPath = Field(description="Class, as 'sklearn.preprocessing.RobustScaler'.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="Arguments of the class.")


class PreprocessSpec(Spec):
    """What is done to columns before the estimator sees them; it is part of the model."""

    one_or_many: ClassVar = frozenset({"numeric", "categorical"})

    numeric: list[StepSpec] | None = Field(
        default=None, description="Steps for number columns, one after the other; default: as in 'auto'."
    )
    categorical: list[StepSpec] | None = Field(
        default=None, description="Steps for text and boolean columns; default: as in 'auto'."
    )
    columns: dict[str, list[StepSpec] | Literal["keep", "drop"]] = Field(
        default_factory=dict, description="Steps for single columns; keep: as it is; drop: not used."
    )


class EarlyStoppingSpec(Spec):
    """When a training that goes round by round may end."""

    rounds: int = Field(default=10, ge=1, description="It ends after so many rounds without a better score.")
    share: float = Field(
        default=0.1, gt=0, lt=1, description="Share of the rows that judges, where 'validation' has none."
    )


class TrainSpec(PhaseSpec):
    """Fit one estimator on a dataset, with its preprocessing, as one model."""

    outputs: ClassVar = {"model": "model", "search": "report"}
    default_output: ClassVar = "model"
    one_or_many: ClassVar = frozenset({*PhaseSpec.one_or_many, "target"})

    type: Literal["train"] = "train"
    data: DataReference = Field(description="Dataset to fit on.")
    validation: DataReference | None = Field(
        default=None, description="Dataset that judges rounds and trials; default: a share, or folds, of 'data'."
    )
    target: list[str] = Field(
        min_length=1, description="Column to predict; several columns of yes and no make a multilabel model."
    )
    task: Task | None = Field(
        default=None, description="Kind of problem; default: what the estimator is. ranking and forecasting are said."
    )
    features: list[str] = Field(default_factory=list, description="Columns to learn from; default: all but the target.")
    exclude: list[str] = Field(default_factory=list, description="Columns to leave out when 'features' is not given.")
    estimator: ImportPath | None = Field(default=None, description="Class to fit, as 'package.module.Class'.")
    python: FunctionPath | None = Field(
        default=None, description="Function 'module:name' that fits and returns a model."
    )
    parameters: dict[str, Any] = Field(default_factory=dict, description="Arguments of the estimator or function.")
    preprocess: Literal["auto", "none"] | PreprocessSpec = Field(
        default="auto",
        description="auto: impute, encode and scale by column type, as far as the estimator needs it; none; or steps "
        "by type and column.",
    )
    class_weight: Literal["balanced"] | dict[str, float] | None = Field(
        default=None, description="Weight of each class; balanced: rare classes count as much as frequent ones."
    )
    sample_weight: str | None = Field(
        default=None, description="Column with the weight of each row; it is not a feature."
    )
    query: str | None = Field(
        default=None, description="Ranking: column whose equal values are ranked against each other; not a feature."
    )
    timestamp: str | None = Field(default=None, description="Forecasting: column that orders rows; not a feature.")
    season: int = Field(default=1, ge=1, description="Forecasting: after how many rows the pattern repeats.")
    early_stopping: bool | EarlyStoppingSpec = Field(
        default=False, description="Whether a training that goes round by round ends when it no longer gets better."
    )
    tune: TuneSpec | None = Field(default=None, description="Search for good parameters first.")
    seed: int = Field(default=0, ge=0, description="Seed of every random generator.")

    @classmethod
    def renders(cls, field: str) -> bool:
        """Say whether a field may be Jinja: the tasks of a search make the graph and may not."""
        return super().renders(field) and field != "tune"

    def output_kind(self, output: str) -> str | None:
        """Give the kind of an output; there is a report of the search only where there is one."""
        return None if output == "search" and self.tune is None else super().output_kind(output)

    @property
    def trial_tasks(self) -> int:
        """How many tasks of their own run the trials of the search; 0 where they run inside the training's."""
        return self.tune.workers if self.tune and self.tune.trials == "tasks" else 0

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        exactly_one(estimator=self.estimator, python=self.python)
        if self.query is not None and self.task not in {"ranking", None}:
            raise SpecError(f"'query' goes with task: ranking, not {self.task}")
        if self.task == "ranking" and self.query is None:
            raise SpecError("a ranking needs 'query'", hint="name the column whose equal values are ranked together")
        if self.task == "forecasting" and self.timestamp is None:
            raise SpecError("a forecast needs 'timestamp'", hint="name the column that orders the rows")
        if isinstance(self.target, list) and len(self.target) > 1 and self.task not in {"multilabel", None}:
            raise SpecError(f"several targets make a multilabel model, not {self.task}")
        if self.tune and self.tune.trials == "tasks" and (self.foreach or self.group):
            other = "foreach" if self.foreach else "group"
            raise SpecError(f"'trials: tasks' does not go with '{other}'", hint="write 'trials: inline'")
        return self
