"""From the resources of a phase to the place where it runs; the secrets of that place come from connections."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from mlops_provider.operators.phase import PhaseOperator
    from mlops_provider.runtime.places.work import Place, Work
    from mlops_provider.settings import Settings

IMAGE_OF = "resources.image_of"
"""Input of an operator: the image that another phase made."""


def place_for(operator: PhaseOperator, context: Context, work: Work) -> tuple[Place, Work]:
    """Give the place that resources ask for, and the work with the secrets that it needs there.

    The image that another phase makes is an input of the operator, but not one of the work.
    """
    from mlops_provider.settings import Settings

    settings, wanted = Settings.from_airflow(), operator.place
    made = work.inputs.get(IMAGE_OF, [])
    inputs = {field: refs for field, refs in work.inputs.items() if field != IMAGE_OF}
    of_connections = {} if wanted["runtime"] == "kubernetes" else secret_variables(wanted)
    work = replace(work, inputs=inputs, variables={**tracking_variables(), **of_connections})
    ref = made[0] if made else None
    if wanted["runtime"] == "venv":
        return _venv(wanted, settings), work
    if wanted["runtime"] == "docker":
        return _container(wanted, settings, ref), work
    from mlops_provider.operators.pod_place import PodPlace

    image = image_of(wanted, settings, ref)
    if ref is not None and "@sha256:" not in ref.uri:
        raise ConfigError(f"a cluster cannot pull {ref.uri}", hint="give the phase that makes it 'push: true'")
    template = settings.pod_template
    return PodPlace(operator, context, wanted, ref.uri if ref else image, template, operator.resumed), work


def _venv(wanted: Mapping[str, Any], settings: Settings) -> Place:
    from mlops_provider.runtime.places.venv import VenvPlace

    return VenvPlace(
        root=Path(settings.environments),
        requirements=list(wanted.get("requirements", ())),
        python=wanted.get("python") or "",
        variables=wanted.get("env", {}),
    )


def _container(wanted: Mapping[str, Any], settings: Settings, made: Any) -> Place:
    from mlops_provider.hooks.docker import DockerEngineHook
    from mlops_provider.runtime.places.container import ContainerPlace
    from mlops_provider.settings import airflow_home

    return ContainerPlace(
        image=image_of(wanted, settings, made),
        made=made,
        engine=DockerEngineHook(wanted["conn_id"]).address() if wanted.get("conn_id") else "",
        cpu=wanted.get("cpu") or "",
        memory=wanted.get("memory") or "",
        gpu=wanted.get("gpu", 0),
        network=wanted.get("network"),
        variables=wanted.get("env", {}),
        hidden=str(airflow_home().absolute()),  # it holds Airflow's own secrets
    )


def image_of(wanted: Mapping[str, Any], settings: Settings, made: Any) -> str:
    """Give the name of the image: the phase's or the deployment's."""
    name = str(wanted.get("image") or settings.phase_image)
    if not name and made is None:
        raise ConfigError(
            "the phase has no image to run in", hint="give resources.image, or set [mlops] phase_image for all"
        )
    return name


def secret_variables(wanted: Mapping[str, Any]) -> dict[str, str]:
    """Give the variables that hold secrets: the passwords of connections."""
    from mlops_provider.hooks.registry import RegistryHook

    return {name: RegistryHook(conn_id).secret() for name, conn_id in wanted.get("secrets", {}).items()}


def tracking_variables() -> dict[str, str]:
    """Give the credentials of the tracking server, which stand in this process's environment."""
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
    return {name: os.environ[name] for name in names if name in os.environ}
