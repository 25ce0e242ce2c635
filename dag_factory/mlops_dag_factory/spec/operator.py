"""Any Airflow operator as a phase."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from mlops_dag_factory.spec.base import ImportPath
from mlops_dag_factory.spec.phase import PhaseSpec


class OperatorSpec(PhaseSpec):
    """Run any Airflow operator as a phase."""

    in_worker: ClassVar = False
    portable: ClassVar = False

    type: Literal["operator"] = "operator"
    operator: ImportPath = Field(description="Operator class, as 'package.module.Class'.")
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="Arguments of the operator, except those that phases set."
    )
