"""Phase `monitor.fallback`: the service goes back to the version before, or to the one that stands by."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from mlops_provider.exceptions import RollbackRefusedError
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext
from mlops_provider.runtime.monitor.decided import decided, monitor_actor
from mlops_provider.runtime.rollback import follow, mirrored, take_back
from mlops_provider.store.services import service_history

if TYPE_CHECKING:
    from mlops_dag_factory.spec.monitor import MonitorSpec
    from mlops_provider.store.services import Service

WAIT = timedelta(seconds=30)
_ID = "/fallback"


def run(config: MonitorSpec, inputs: Inputs, context: RunContext) -> Outcome:  # noqa: ARG001 (the decision says it all)
    """Fall back once per decision.

    Where the version that was judged is not live any more, nothing is done. RollbackRefusedError where there is no
    version to go to, or a fallback led to the version that is live: further back a person decides.
    """
    store, environment = context.store(), config.environment
    decision = decided(config, context)
    states = service_history(store, context.workflow, environment)
    if not any(_id(state) == context.identity for state in states):
        judged = decision["version"]
        live = states[-1].primary if states else None
        if live is None or (judged and live.version != judged):
            now = f"version {live.version} is live" if live else "the service is stopped"
            why = f"Version {judged} was judged, but {now} already: nothing is done."
            return Outcome(summary=why, details={"name": "", "version": live.version if live else "", "left": None})
        _refuse_second(states)
    actor = monitor_actor(context, decision)
    done = take_back(store, context.workflow, environment, to=config.fallback, actor=actor)
    said = [done.sentence(), *mirrored(context, done.name)]
    url, servers = follow(store, done, WAIT, context.connections)
    details = {
        "name": done.name,
        "version": done.live.version,
        "digest": done.live.model.digest,
        "left": done.left.version if done.left else None,
        "revision": done.service.revision,
        "decision": decision["id"],
        "url": url,
    }
    return Outcome(summary=" ".join([*said, servers]), details=details)


def _refuse_second(states: list[Service]) -> None:
    """Refuse to go back step by step through all that there ever was."""
    live = states[-1].primary if states else None
    for state in reversed(states):
        if live is None or state.primary is None or state.primary.version != live.version:
            return
        if _id(state).endswith(_ID) and state.change:
            raise RollbackRefusedError(
                f"version {live.version} is what the fallback of {state.change.at[:16].replace('T', ' ')} led to, and "
                "it breaches too",
                hint=f"a person decides how far back: mlops rollback {state.name} --to <version> --reason …",
            )


def _id(state: Service) -> str:
    return state.change.id if state.change else ""
