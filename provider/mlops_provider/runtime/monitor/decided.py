"""The decision that an action of the monitor carries out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError
from mlops_provider.runtime.monitor.decisions import newest_first
from mlops_provider.store.standing import Actor

if TYPE_CHECKING:
    from mlops_dag_factory.spec.monitor import MonitorSpec
    from mlops_provider.runtime.contract import RunContext

DECIDE = "decide"


def decided(config: MonitorSpec, context: RunContext) -> dict[str, Any]:
    """Give the decision of this monitor run; ConfigError where none was made."""
    made = f"{context.identity.rpartition('/')[0]}/{DECIDE}"
    for _, decision in newest_first(context.store(), context.workflow, config.environment):
        if decision["id"] == made:
            return decision
    raise ConfigError(f"run {context.run_id} of the monitor has decided nothing yet", hint=f"run its task '{DECIDE}'")


def monitor_actor(context: RunContext, decision: dict[str, Any]) -> Actor:
    """Give on whose behalf the monitor acts, and why."""
    return Actor(
        workflow=context.workflow,
        identity=context.identity,
        run=context.run_id,
        by=context.owner,
        reason=f"the monitor: {decision['why']}",
    )
