"""Phase `explain`: importances, fairness by sensitive feature, error analysis."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlops_dag_factory.spec.base import DataReference, Gate, ModelReference
from mlops_dag_factory.spec.checkpoint import CheckpointSpec
from mlops_dag_factory.spec.phase import PhaseSpec


class ExplainSpec(CheckpointSpec):
    """Say what a model looks at, whom it treats how, and where it errs; gates make it a checkpoint."""

    outputs: ClassVar = {"report": "report"}
    default_output: ClassVar = "report"
    one_or_many: ClassVar = frozenset({*PhaseSpec.one_or_many, "sensitive", "methods"})

    type: Literal["explain"] = "explain"
    model: ModelReference = Field(description="Model to explain.")
    data: DataReference = Field(description="Dataset with labels that the model has not seen.")
    methods: list[Literal["permutation", "shap"]] = Field(
        default=["permutation"],
        description="permutation: what the score loses when a column is shuffled; shap: SHAP values (extra 'explain').",
    )
    scoring: str = Field(default="", description="Metric of the permutation; default: accuracy, or rmse for numbers.")
    sensitive: list[str] = Field(
        default_factory=list, description="Columns whose groups should be treated alike; they need not be features."
    )
    favorable: str = Field(default="", description="Class that is good for a person; default: the second of two.")
    gates: list[Gate] = Field(
        default_factory=list,
        description="Conditions over fairness.<column>.<metric> (also .low and .high) and importance.<column>, such as "
        "'fairness.sex.demographic_parity_difference <= 0.1'.",
    )
    rows: int = Field(default=10_000, ge=10, description="Most rows that are explained; more are sampled.")
    repeats: int = Field(default=5, ge=1, le=100, description="How often each column is shuffled.")
    seed: int = Field(default=0, ge=0, description="Seed of every random generator.")
