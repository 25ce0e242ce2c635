"""Phase `register`: make the model a version in the registry, exactly once per run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.refs import ModelRef
from mlops_provider.runtime import tracking
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one

if TYPE_CHECKING:
    from mlops_dag_factory.spec.register import RegisterSpec


def run(config: RegisterSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Register with lineage and digest; the new version becomes the challenger."""
    model: ModelRef = one(inputs, "model", ModelRef)
    lineage = context.store().open(model).meta["lineage"]
    tags = {
        "mlops.workflow": context.workflow,
        tracking.RUN_TAG: context.run_id,
        "mlops.data": lineage["data"],
        "mlops.owner": context.owner,
    }
    name = config.name or context.workflow
    version = tracking.register_version(context, name, model, tags=tags)
    tracking.set_alias(context.tracking_uri, name, tracking.CHALLENGER, version.version)
    tracking.mirror(context, parameters={"name": name}, metrics={})
    summary = f"Version {version.version} of `{name}`, digest `{model.digest[:16]}`, is the challenger."
    return Outcome(outputs={"version": version}, summary=summary, details={"lineage": lineage})
