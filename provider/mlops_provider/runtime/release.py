"""Phase `release`: give a model version the production traffic, then the champion's alias."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.runtime import tracking
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext
from mlops_provider.runtime.deploy import bring_up

if TYPE_CHECKING:
    from mlops_dag_factory.spec.release import ReleaseSpec


def run(config: ReleaseSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Change the record once per run, wait for the servers, and only then move the alias."""
    ref, url, service = bring_up(config, inputs, context, "release")
    name = getattr(inputs["model"][0], "name", "") or context.workflow
    if context.tracking_uri:
        tracking.set_alias(context.tracking_uri, name, tracking.CHAMPION, ref.version)
    before = f"version {service.previous.version}" if service.previous else "nothing"
    summary = f"Version {ref.version} has all traffic of `{ref.name}` (before: {before}) and is the champion."
    previous = service.previous.version if service.previous else None
    return Outcome(outputs={"service": ref}, summary=summary, details={"url": url, "previous": previous})
