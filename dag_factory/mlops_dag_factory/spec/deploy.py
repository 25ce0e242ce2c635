"""Phase `deploy`: a model runs in an environment."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import Field

from mlops_dag_factory.spec.base import Duration, Environment, ModelReference
from mlops_dag_factory.spec.phase import PhaseSpec


class DeploySpec(PhaseSpec):
    """Make a service run a model version in an environment."""

    outputs: ClassVar = {"service": "service"}
    default_output: ClassVar = "service"
    portable: ClassVar = False  # it acts on servers that only the worker reaches

    type: Literal["deploy"] = "deploy"
    model: ModelReference = Field(description="Registered model version to deploy.")
    environment: Environment = Field(default="staging", description="Environment to deploy to.")
    wait: Duration = Field(
        default=timedelta(minutes=2), description="How long a model server may take to report it healthy."
    )
