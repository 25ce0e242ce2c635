"""Where a phase runs, and what it may use there."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from mlops_dag_factory.spec.base import Duration, ParseTimeSpec, PhaseId, SpecError
from mlops_dag_factory.spec.target import Cpu, Memory

Runtime = Literal["inline", "venv", "docker", "kubernetes"]
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_PYTHON = re.compile(r"3\.\d{1,2}")


def _matching(pattern: re.Pattern[str], what: str, hint: str) -> BeforeValidator:
    def match(value: object) -> object:
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise SpecError(f"'{value}' is not {what}", hint=hint)
        return value

    return BeforeValidator(match)


VariableName = Annotated[str, _matching(_VARIABLE, "the name of an environment variable", "as LAKE_TOKEN")]
PythonVersion = Annotated[str, _matching(_PYTHON, "a version of Python", "write it in quotes, as '3.12'")]

RUNTIMES: dict[str, frozenset[str]] = {
    "venv": frozenset({"requirements", "python", "env", "secrets"}),
    "docker": frozenset({"image", "image_of", "cpu", "memory", "gpu", "network", "conn_id", "env", "secrets"}),
    "kubernetes": frozenset({
        "image", "image_of", "cpu", "memory", "gpu", "conn_id", "env", "secrets", "namespace", "service_account",
        "node_selector", "tolerations", "startup_timeout",
    }),
}  # fmt: skip
"""Runtime -> the fields that only count there."""


class TolerationSpec(ParseTimeSpec):
    """A taint of nodes that the pod of a phase bears with, in Kubernetes' words."""

    key: str = Field(default="", description="Key of the taint; none: all.")
    operator: Literal["Equal", "Exists"] = Field(default="Equal", description="Whether the value counts.")
    value: str = Field(default="", description="Value of the taint.")
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = Field(
        default="", description="Effect of the taint; none: all."
    )


class Resources(ParseTimeSpec):
    """Where a phase runs and what it may use; what a phase does not say, the workflow's defaults say."""

    runtime: Runtime = Field(
        default="inline",
        description="'inline': in the Airflow worker; 'venv': in a virtual environment of its own; 'docker': in a "
        "container; 'kubernetes': in a pod.",
    )
    pool: str | None = Field(
        default=None, description="Airflow pool that limits how many run at once; default: the team's."
    )
    pool_slots: int = Field(default=1, ge=1, description="Slots of the pool that this phase takes.")
    executor: str | None = Field(
        default=None, description="Airflow executor for this phase, where several are configured."
    )
    queue: str | None = Field(default=None, description="Queue of the executor, where it has queues.")
    priority: int = Field(default=1, description="Airflow's priority weight.")
    requirements: list[str] = Field(
        default_factory=list,
        description="venv: requirements beside those of the runtime, as 'lightgbm==4.6.0'; they win.",
    )
    python: PythonVersion | None = Field(default=None, description="venv: version of Python; default: the worker's.")
    image: str = Field(
        default="",
        description="docker, kubernetes: image that runs phases, as package makes it with purpose: training; "
        "default: [mlops] phase_image.",
    )
    image_of: PhaseId | None = Field(
        default=None, description="docker, kubernetes: phase of type package that makes the image, instead of 'image'."
    )
    cpu: Cpu | None = Field(default=None, description="docker, kubernetes: processors, as 2, 0.5 or 500m.")
    memory: Memory | None = Field(default=None, description="docker, kubernetes: memory, as 512Mi or 2Gi.")
    gpu: int = Field(default=0, ge=0, le=64, description="docker, kubernetes: graphics processors.")
    env: dict[VariableName, str] = Field(
        default_factory=dict, description="venv, docker, kubernetes: environment variables; never secrets."
    )
    secrets: dict[VariableName, str] = Field(
        default_factory=dict,
        description="Environment variables with secrets. venv, docker: an Airflow connection, whose password it is; "
        "kubernetes: 'name/key' of a Kubernetes Secret.",
    )
    network: str | None = Field(default=None, description="docker: network; default: the engine's; 'none': none.")
    conn_id: str | None = Field(
        default=None,
        description="docker: connection with the registry's user and password; kubernetes: connection of the cluster.",
    )
    namespace: str | None = Field(default=None, description="kubernetes: namespace; default: the connection's.")
    service_account: str | None = Field(default=None, description="kubernetes: service account of the pod.")
    node_selector: dict[str, str] = Field(default_factory=dict, description="kubernetes: labels of the nodes.")
    tolerations: list[TolerationSpec] = Field(default_factory=list, description="kubernetes: taints it bears with.")
    startup_timeout: Duration | None = Field(
        default=None, description="kubernetes: how long the pod may take to start, as 10m; default: 5m."
    )

    def misplaced(self) -> list[str]:
        """Give the fields that are set and do not count for the runtime."""
        counted = RUNTIMES.get(self.runtime, frozenset())
        known = frozenset().union(*RUNTIMES.values())
        return [name for name in type(self).model_fields if name in self.model_fields_set & known - counted]
