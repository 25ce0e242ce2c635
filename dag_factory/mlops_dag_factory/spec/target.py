"""Where a service runs: the keys that say it, for every phase that brings a model up."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from mlops_dag_factory.spec.base import REFERENCE, Duration, Input, Spec, SpecError, is_template

_CPU = re.compile(r"\d+(\.\d{1,3})?|[1-9]\d*m")
_MEMORY = re.compile(r"[1-9]\d*(Ki|Mi|Gi|Ti|k|M|G|T)")
_USES: dict[str, frozenset[str]] = {
    "image": frozenset({"docker", "kubernetes", "kserve"}),
    "replicas": frozenset({"docker", "kubernetes", "kserve"}),
    "autoscale": frozenset({"kubernetes", "kserve"}),
    "cpu": frozenset({"docker", "kubernetes", "kserve"}),
    "memory": frozenset({"docker", "kubernetes", "kserve"}),
    "namespace": frozenset({"kubernetes", "kserve"}),
    "pull_secrets": frozenset({"kubernetes", "kserve"}),
    "secrets": frozenset({"kubernetes", "kserve"}),
    "conn_id": frozenset({"docker", "kubernetes", "kserve"}),
    "port": frozenset({"docker", "kubernetes"}),
    "host": frozenset({"docker"}),
    "url": frozenset({"docker", "kubernetes", "kserve"}),
    "env": frozenset({"docker", "kubernetes", "kserve"}),
    "log_predictions": frozenset({"docker", "kubernetes", "kserve"}),
}
"""Key -> the targets that it says something to."""
_CLUSTERS = ("kubernetes", "kserve")
_CLUSTER_WAIT = "10m"


def parse_cpu(value: object) -> object:
    """Check an amount of processor: 2, 0.5 or 500m."""
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if isinstance(text, str) and not is_template(text) and (not _CPU.fullmatch(text) or text.strip("0.") == ""):
        raise SpecError(f"'{text}' is no amount of processor", hint="processors as 2 or 0.5, or thousandths as 500m")
    return text


def parse_memory(value: object) -> object:
    """Check an amount of memory: 512Mi or 2Gi."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise SpecError(f"{value} has no unit", hint="write it as 512Mi or 2Gi")
    if isinstance(value, str) and not is_template(value) and not _MEMORY.fullmatch(value):
        raise SpecError(f"'{value}' is no amount of memory", hint="write it as 512Mi or 2Gi")
    return value


Cpu = Annotated[str, BeforeValidator(parse_cpu)]
Memory = Annotated[str, BeforeValidator(parse_memory)]
KubernetesName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


Deployable = Annotated[str, StringConstraints(pattern=REFERENCE), Input(("model", "image"))]


class AutoscaleSpec(Spec):
    """How many replicas there are, by how busy their processors are."""

    minimum: int = Field(default=1, ge=1, le=1000, description="Fewest replicas.")
    maximum: int = Field(ge=1, le=1000, description="Most replicas.")
    cpu: int = Field(default=70, ge=1, le=100, description="Percent of the asked-for processor that is aimed at.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if isinstance(self.minimum, int) and isinstance(self.maximum, int) and self.minimum > self.maximum:
            raise SpecError(f"minimum {self.minimum} is above maximum {self.maximum}", hint="give the smaller first")
        return self


class TargetSpec(Spec):
    """Where a service runs and what it may use."""

    target: Literal["server", "docker", "kubernetes", "kserve"] = Field(
        default="server",
        description="'server': model servers that follow the deployment record; 'docker': containers of an engine; "
        "'kubernetes': a Deployment with all that belongs to it; 'kserve': an InferenceService.",
    )
    image: str | None = Field(
        default=None, pattern=r"^\S+$", description="Image by name, where no phase of type package makes it."
    )
    replicas: int = Field(default=1, ge=1, le=1000, description="How many run at once.")
    autoscale: AutoscaleSpec | None = Field(default=None, description="Replicas by load, instead of 'replicas'.")
    cpu: Cpu = Field(default="1", description="Processor of one replica, as 2, 0.5 or 500m: asked for and limit.")
    memory: Memory = Field(default="1Gi", description="Memory of one replica, as 512Mi or 2Gi: asked for and limit.")
    namespace: KubernetesName | None = Field(
        default=None, description="Kubernetes namespace; default: the connection's, or 'default'."
    )
    conn_id: str | None = Field(
        default=None,
        description="Airflow connection: of type kubernetes (default: kubernetes_default), or of type docker (default: "
        "the engine of DOCKER_HOST, images without a password).",
    )
    pull_secrets: list[KubernetesName] = Field(
        default_factory=list, description="Kubernetes secrets with the passwords of registries."
    )
    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Port of the service; default: for docker one of 20000-29999 that stays, for kubernetes 80.",
    )
    host: str = Field(
        default="127.0.0.1", description="Address of the engine's machine that the port of a docker target listens on."
    )
    url: str | None = Field(
        default=None, pattern=r"^https?://\S+$", description="Where clients reach it, if not at its own address."
    )
    env: dict[str, str] = Field(
        default_factory=dict, description="Variables of the containers, as MLOPS_SERVE_WORKERS; never secrets."
    )
    secrets: list[KubernetesName] = Field(
        default_factory=list,
        description="Kubernetes secrets whose entries are variables of the containers, as MLOPS_SERVE_TOKEN or the "
        "store's keys.",
    )
    log_predictions: bool = Field(
        default=False, description="True: containers write the prediction log to the store, which must be a URL."
    )
    stop_after: Duration | None = Field(
        default=None, description="After how long the service stops by itself, as 4h; default: never."
    )

    @model_validator(mode="before")
    @classmethod
    def _patient(cls, value: Any) -> Any:
        """Wait longer for a cluster: the first pull of an image on a node takes minutes."""
        if isinstance(value, dict) and value.get("target") in _CLUSTERS and "wait" in cls.model_fields:
            return {"wait": _CLUSTER_WAIT, **value}
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if is_template(self.target):
            return self
        for name, targets in _USES.items():
            if name in self.model_fields_set and getattr(self, name) and self.target not in targets:
                listed = ", ".join(sorted(targets))
                raise SpecError(f"target {self.target} has no '{name}'", hint=f"it belongs to {listed}")
        if self.autoscale is not None and "replicas" in self.model_fields_set:
            raise SpecError("has both 'replicas' and 'autoscale'", hint="autoscale: {minimum: 2, maximum: 10}")
        if isinstance(self.stop_after, timedelta) and self.stop_after <= timedelta(0):
            raise SpecError("'stop_after' must be above 0", hint="write it as 4h")
        return self

    def target_fields(self) -> dict[str, Any]:
        """Give the keys of this class as JSON."""
        return self.model_dump(mode="json", include=set(TargetSpec.model_fields))
