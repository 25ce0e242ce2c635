"""From the resources of a phase to the place where it runs; the secrets of that place come from connections."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_provider.runtime.places.work import Place, Work


def place_for(wanted: Mapping[str, Any], work: Work) -> tuple[Place, Work]:
    """Give the place that resources ask for, and the work with the secrets that it needs there."""
    from mlops_provider.settings import Settings

    settings = Settings.from_airflow()
    work = replace(work, variables={**tracking_variables(), **secret_variables(wanted)})
    from mlops_provider.runtime.places.venv import VenvPlace

    place = VenvPlace(
        root=Path(settings.environments),
        requirements=list(wanted.get("requirements", ())),
        python=wanted.get("python") or "",
        variables=wanted.get("env", {}),
    )
    return place, work


def secret_variables(wanted: Mapping[str, Any]) -> dict[str, str]:
    """Give the variables that hold secrets: the passwords of connections."""
    from mlops_provider.hooks.registry import RegistryHook

    return {name: RegistryHook(conn_id).secret() for name, conn_id in wanted.get("secrets", {}).items()}


def tracking_variables() -> dict[str, str]:
    """Give the credentials of the tracking server, which stand in this process's environment."""
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
    return {name: os.environ[name] for name in names if name in os.environ}
