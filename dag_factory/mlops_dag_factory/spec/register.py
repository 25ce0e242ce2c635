"""Phase `register`: a model becomes a version."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlops_dag_factory.spec.base import ModelReference
from mlops_dag_factory.spec.phase import PhaseSpec


class RegisterSpec(PhaseSpec):
    """Make the model a version in the registry, exactly once per run."""

    outputs: ClassVar = {"version": "model"}
    default_output: ClassVar = "version"

    type: Literal["register"] = "register"
    model: ModelReference = Field(description="Model to register.")
    name: str = Field(default="", description="Name in the registry; default: the workflow's id.")
    challenger: bool = Field(default=True, description="True: the new version becomes the challenger.")
