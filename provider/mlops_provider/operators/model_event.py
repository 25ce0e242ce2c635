"""The asset event that says that a model has a new version, or a new champion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias

from mlops_provider.assets import model_uri

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mlops_provider.operators.phase import PhaseOperator


def emit_model_event(operator: PhaseOperator, context: Context, *, name: str, extra: dict[str, Any]) -> None:
    """Emit it where the task has the workflow's alias among its outlets: the name is known only when it runs."""
    alias = AssetAlias(model_uri(operator.workflow))
    if alias in operator.outlets:
        context["outlet_events"][alias].add(Asset(model_uri(name)), extra={"name": name, **extra})
