"""Phase `report`: the model card of a version."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlops_dag_factory.spec.base import ModelReference
from mlops_dag_factory.spec.phase import PhaseSpec


class ReportSpec(PhaseSpec):
    """Write the model card: what a model is for, where it comes from, how good it is, who decided, its limits."""

    outputs: ClassVar = {"report": "report"}
    default_output: ClassVar = "report"
    one_or_many: ClassVar = frozenset({*PhaseSpec.one_or_many, "limits"})

    type: Literal["report"] = "report"
    model: ModelReference = Field(description="Model or registered version that the card is of.")
    intended_use: str = Field(default="", description="What the model is for, and for whom.")
    not_for: str = Field(default="", description="What it must not be used for.")
    limits: list[str] = Field(
        default_factory=list, description="Limits that its makers know; those that the records show are added."
    )
    contact: str = Field(default="", description="Whom to ask; default: the owner.")
