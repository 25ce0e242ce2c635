"""Phase `release`: how traffic moves to a new version."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import Field

from mlops_dag_factory.spec.base import Duration, Environment, ModelReference
from mlops_dag_factory.spec.phase import PhaseSpec


class ReleaseSpec(PhaseSpec):
    """Give a model version the production traffic, then the champion's alias."""

    outputs: ClassVar = {"service": "service"}
    default_output: ClassVar = "service"

    type: Literal["release"] = "release"
    model: ModelReference = Field(description="Registered model version to release.")
    environment: Environment = Field(default="production", description="Environment to release to.")
    strategy: Literal["all_at_once"] = Field(default="all_at_once", description="How traffic moves to the new version.")
    wait: Duration = Field(
        default=timedelta(minutes=2), description="How long a model server may take to report it healthy."
    )
