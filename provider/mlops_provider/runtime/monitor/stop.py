"""Phase `monitor.stop`: the service answers no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, now
from mlops_provider.runtime.monitor.decided import decided, monitor_actor
from mlops_provider.runtime.targets.upkeep import stop
from mlops_provider.store.chain import Chain, Entry
from mlops_provider.store.services import Change, service_history

if TYPE_CHECKING:
    from mlops_dag_factory.spec.monitor import MonitorSpec
    from mlops_provider.store.services import Service
    from mlops_provider.store.standing import Actor
    from mlops_provider.store.store import Store


def run(config: MonitorSpec, inputs: Inputs, context: RunContext) -> Outcome:  # noqa: ARG001 (the decision says it all)
    """Stop the service once per decision, and put it into the audit chain.

    Where the version that was judged is not live any more, nothing is done, unless this run's fallback replaced it.
    """
    store, environment = context.store(), config.environment
    decision = decided(config, context)
    states = service_history(store, context.workflow, environment)
    made = {state.change.id for state in states if state.change}
    own = f"{context.identity.rpartition('/')[0]}/fallback"
    live = states[-1].primary if states else None
    name = f"{context.workflow}/{environment}"
    if context.identity not in made:
        if live is None:
            return Outcome(summary=f"{name} does not answer already: nothing is done.", details={"stopped": False})
        judged = decision["version"]
        if judged and live.version != judged and own not in made:
            said = f"Version {judged} was judged, but version {live.version} is live already: nothing is done."
            return Outcome(summary=said, details={"stopped": False})
    actor = monitor_actor(context, decision)
    change = Change(id=actor.identity, action="stop", by=actor.by, at=now(), reason=actor.reason)
    state = stop(store, context.workflow, environment, change, context.connections)
    if state.change and state.change.id == actor.identity:
        _note(store, state, live.version if live else "", actor)
    said = f"{name} is stopped. A release or 'mlops rollback {name}' lets it answer again."
    return Outcome(summary=said, details={"stopped": True, "decision": decision["id"], "revision": state.revision})


def _note(store: Store, state: Service, version: str, actor: Actor) -> None:
    """Record it in the audit chain, once."""
    subject = f"service/{state.environment}"

    def entry(latest: Entry | None) -> Entry | None:
        if latest is not None and latest.payload.get("revision", 0) >= state.revision:
            return None
        payload = {"version": version, "revision": state.revision, "identity": actor.identity}
        return Entry(
            kind="stopped",
            subject=subject,
            workflow=actor.workflow,
            by=actor.by,
            run=actor.run,
            at=now(),
            reason=actor.reason,
            payload=payload,
        )

    Chain(store, state.workflow).append(subject, entry)
