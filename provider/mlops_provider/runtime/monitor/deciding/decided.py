"""The decision that an action of the monitor carries out, and whether it is still about what is live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError
from mlops_provider.runtime.monitor.deciding.decisions import find_made, newest_first
from mlops_provider.store.standing import Actor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_dag_factory.spec.monitor import MonitorSpec
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.store.services import Service

DECIDE = "decide"


def decided(config: MonitorSpec, context: RunContext) -> dict[str, Any]:
    """Give the decision of this monitor run; ConfigError where none was made."""
    found = newest_first(context.store(), context.workflow, config.environment)
    _, _, decision = find_made(found, beside(context, DECIDE), context.clock())
    if not decision:
        hint = f"run its task '{DECIDE}'"
        raise ConfigError(f"run {context.run_id} of the monitor has decided nothing yet", hint=hint)
    return decision


def beside(context: RunContext, phase: str) -> str:
    """Give the identity of another task of this monitor run."""
    return f"{context.identity.rpartition('/')[0]}/{phase}"


def moved_on(states: Sequence[Service], judged: str, *, led_to: str = "") -> str:
    """Say why nothing is to be done: the version that was judged is not live any more; nothing where it is.

    `led_to` is the version that this run's own fallback led to. `judged` is empty where no version was judged.
    """
    live = states[-1].primary if states else None
    if live is None:
        return "The service does not answer already: nothing is done."
    if not judged or live.version in {judged, led_to}:
        return ""
    return f"Version {judged} was judged, but version {live.version} is live already: nothing is done."


def monitor_actor(context: RunContext, decision: dict[str, Any]) -> Actor:
    """Give on whose behalf the monitor acts, and why."""
    return Actor(
        workflow=context.workflow,
        identity=context.identity,
        run=context.run_id,
        by=context.owner,
        reason=f"the monitor: {decision['why']}",
    )
