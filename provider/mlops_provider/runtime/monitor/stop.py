"""Phase `monitor.stop`: the service answers no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.exceptions import ConflictError
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, now
from mlops_provider.runtime.monitor.deciding.decided import beside, decided, monitor_actor, moved_on
from mlops_provider.runtime.targets.upkeep import stop
from mlops_provider.store.rollouts import find_change
from mlops_provider.store.service_chain import note_change
from mlops_provider.store.services import Change, service_history

if TYPE_CHECKING:
    from mlops_dag_factory.spec.monitor import MonitorSpec


def run(config: MonitorSpec, inputs: Inputs, context: RunContext) -> Outcome:  # noqa: ARG001 (the decision says it all)
    """Stop the service once per decision, and put it into the audit chain.

    Where the version that was judged is not live any more, nothing is done, unless this run's fallback replaced it.
    """
    store, environment = context.store(), config.environment
    decision = decided(config, context)
    actor = monitor_actor(context, decision)
    change = Change(id=actor.identity, action="stop", by=actor.by, at=now(), reason=actor.reason)
    while True:
        states = service_history(store, context.workflow, environment)
        made = find_change(states, context.identity)
        if made is None:
            fallen = find_change(states, beside(context, "fallback"))
            led_to = fallen.primary.version if fallen and fallen.primary else ""
            if why := moved_on(states, decision["version"], led_to=led_to):
                return Outcome(summary=why, details={"stopped": False})
        seen = states[-1].revision
        try:
            state = stop(store, context.workflow, environment, change, context.connections, after=seen)
            break
        except ConflictError:  # what was released since is not stopped: look again
            continue
    stopped = made or state  # what was stopped by an earlier try may have been released again since
    version = stopped.previous.version if stopped.previous else ""
    note_change(store, stopped, actor, "stopped", {"version": version})
    said = f"{stopped.name} is stopped. A release or 'mlops rollback {stopped.name}' lets it answer again."
    return Outcome(summary=said, details={"stopped": True, "decision": decision["id"], "revision": stopped.revision})
