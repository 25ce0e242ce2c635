"""Phase `monitor.fallback`: the service goes back to the version before, or to the one that stands by."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from mlops_provider.exceptions import ConflictError, RollbackRefusedError
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext
from mlops_provider.runtime.monitor.deciding.decided import decided, monitor_actor, moved_on
from mlops_provider.runtime.rollback import follow, mirrored, take_back
from mlops_provider.store.rollbacks import rollback_target
from mlops_provider.store.rollouts import find_change
from mlops_provider.store.services import service_history

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_dag_factory.spec.monitor import MonitorSpec
    from mlops_provider.store.services import Service

WAIT = timedelta(seconds=30)
_ID = "/fallback"


def run(config: MonitorSpec, inputs: Inputs, context: RunContext) -> Outcome:  # noqa: ARG001 (the decision says it all)
    """Fall back once per decision.

    Where the version that was judged is not live any more, nothing is done. RollbackRefusedError where there is no
    version to go to, it is the one that breached, or a fallback led to the version that is live: further back a person
    decides.
    """
    store, environment = context.store(), config.environment
    decision = decided(config, context)
    actor = monitor_actor(context, decision)
    while True:
        states = service_history(store, context.workflow, environment)
        if find_change(states, context.identity) is None:
            if why := moved_on(states, decision["version"]):
                return Outcome(summary=why, details={"name": "", "version": _live(states), "left": None})
            _refuse_second(states)
            _refuse_same(states, config.fallback)
        seen = states[-1].revision
        try:
            done = take_back(store, context.workflow, environment, to=config.fallback, actor=actor, after=seen)
            break
        except ConflictError:  # what was released while the model was read is not taken back: look again
            continue
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


def _refuse_second(states: Sequence[Service]) -> None:
    """Refuse to go back step by step through all that there ever was."""
    for state in reversed(states):
        if state.primary is None or state.primary.version != _live(states):
            return
        if state.change and state.change.id.endswith(_ID):
            raise RollbackRefusedError(
                f"version {_live(states)} is what the fallback of {state.change.at[:16].replace('T', ' ')} led to, and "
                "it breaches too",
                hint=_hint(state),
            )


def _refuse_same(states: Sequence[Service], to: str) -> None:
    """Refuse to end the release of another version in favour of the one that breached."""
    rollout = states[-1].rollout
    if rollout is not None and rollback_target(states, to).version == _live(states):
        raise RollbackRefusedError(
            f"version {rollout.candidate} is being released beside version {_live(states)}, which breached: a fallback "
            "would only go back to that",
            hint=_hint(states[-1]),
        )


def _live(states: Sequence[Service]) -> str:
    live = states[-1].primary if states else None
    return live.version if live else ""


def _hint(service: Service) -> str:
    return f"a person decides how far back: mlops rollback {service.name} --to <version> --reason …"
