"""Phases of the model half: train, evaluate, register."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import DataReference, FunctionPath, Gate, ImportPath, ModelReference, exactly_one
from mlops_dag_factory.spec.checkpoint import CheckpointSpec
from mlops_dag_factory.spec.phase import PhaseSpec


class TrainSpec(PhaseSpec):
    """Fit one estimator on a dataset, with its preprocessing, as one model."""

    outputs: ClassVar = {"model": "model"}
    default_output: ClassVar = "model"

    type: Literal["train"] = "train"
    data: DataReference = Field(description="Dataset to fit on.")
    target: str = Field(description="Column to predict.")
    features: list[str] = Field(default_factory=list, description="Columns to learn from; default: all but the target.")
    exclude: list[str] = Field(default_factory=list, description="Columns to leave out when 'features' is not given.")
    estimator: ImportPath | None = Field(default=None, description="Class to fit, as 'package.module.Class'.")
    python: FunctionPath | None = Field(
        default=None, description="Function 'module:name' that fits and returns a model."
    )
    parameters: dict[str, Any] = Field(default_factory=dict, description="Arguments of the estimator or function.")
    preprocess: Literal["auto", "none"] = Field(
        default="auto", description="auto: impute, encode and scale by column type."
    )
    seed: int = Field(default=0, ge=0, description="Seed of every random generator.")

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        exactly_one(estimator=self.estimator, python=self.python)
        return self


class EvaluateSpec(CheckpointSpec):
    """Model evaluation checkpoint: metrics, gates and the champion on the same rows."""

    outputs: ClassVar = {"report": "report"}
    default_output: ClassVar = "report"

    type: Literal["evaluate"] = "evaluate"
    model: ModelReference = Field(description="Model to evaluate.")
    data: DataReference = Field(description="Dataset that the model has not seen.")
    metrics: list[str] = Field(
        default_factory=list, description="Metrics to compute; default: the usual ones of the task."
    )
    gates: list[Gate] = Field(default_factory=list, description="Conditions that must hold, such as 'accuracy >= 0.9'.")
    compare_to: Literal["champion", "none"] = Field(
        default="champion", description="Model to compare with on the same rows."
    )


class RegisterSpec(PhaseSpec):
    """Make the model a version in the registry, exactly once per run."""

    outputs: ClassVar = {"version": "model"}
    default_output: ClassVar = "version"

    type: Literal["register"] = "register"
    model: ModelReference = Field(description="Model to register.")
    name: str = Field(default="", description="Name in the registry; default: the workflow's id.")
