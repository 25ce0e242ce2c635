"""Phase `rollback`: a service goes back to a version that it had; the command `mlops rollback` does the same.

First the record changes, for traffic cannot wait; then the champion moves back in the audit chain, and MLflow's alias
follows. A rollback that was cut short between these is completed by the next.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlops_provider.exceptions import MlopsError, RollbackRefusedError, ServiceError, ServiceFailedError
from mlops_provider.refs import ServiceRef
from mlops_provider.runtime.aliases import actor_of, mirror_aliases
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.runtime.targets.rollout import follow_record
from mlops_provider.store import promotions
from mlops_provider.store.model_versions import home_of, registered_name
from mlops_provider.store.rollbacks import PREVIOUS, require_whole, rollback_target
from mlops_provider.store.service_chain import note_change
from mlops_provider.store.service_reports import wait_until_ready
from mlops_provider.store.services import Change, now, roll_back, service_history
from mlops_provider.store.standing import Actor, Holder, read_standing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from mlops_dag_factory.spec.rollback import RollbackSpec
    from mlops_provider.store.services import ServedVersion, Service
    from mlops_provider.store.store import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """What a rollback did: the service's state, from which version to which, and the name whose champion moved."""

    service: Service
    left: ServedVersion | None
    live: ServedVersion
    name: str = ""

    def sentence(self) -> str:
        """Say it."""
        left = f" (before: version {self.left.version})" if self.left else ""
        champion = f" and is the champion of '{self.name}' again" if self.name else ""
        return f"Version {self.live.version} has all traffic of {self.service.name}{left}{champion}."


def run(config: RollbackSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Roll back once per run; wait for the servers, which follow the record also when they come later."""
    workflow, environment = context.workflow, config.environment
    if config.service is not None:
        workflow, _, environment = one(inputs, "service", ServiceRef).name.partition("/")
    actor = replace(actor_of(context), reason=config.reason)
    done = take_back(context.store(), workflow, environment, to=config.to, actor=actor)
    said = [done.sentence(), *mirrored(context, done.name)]
    url, servers = follow(context.store(), done, config.wait, context.connections)
    ref = ServiceRef(
        uri=context.store().uri(done.service.key),
        digest=done.live.model.digest,
        name=done.service.name,
        version=done.live.version,
        revision=done.service.revision,
        url=url,
    )
    left = done.left.version if done.left else None
    details = {"name": done.name, "left": left, "reason": config.reason, "url": url}
    return Outcome(outputs={"service": ref}, summary=" ".join([*said, servers]), details=details)


def take_back(
    store: Store, workflow: str, environment: str, *, to: str, actor: Actor, after: int | None = None
) -> RolledBack:
    """Give the traffic to the version that `to` means, and make it the champion where the one that it had is.

    RollbackRefusedError when there is none, its model is gone or changed, or it is live already. The same actor's
    rollback happens once; one that was cut short before the champion moved is completed. `after` is the revision that
    the caller has seen: ConflictError when somebody has changed the service since.
    """
    states = service_history(store, workflow, environment)
    made = next((place for place, state in enumerate(states) if _id(state) == actor.identity), None)
    if made is None and to == PREVIOUS and _unfinished(store, states):
        made = len(states) - 1
    if made is not None:
        service, before = states[made], states[:made]
        log.info("the rollback of %s at revision %d is completed", service.name, service.revision)
    else:
        target = rollback_target(states, to)
        require_whole(store, states[-1].name, target)
        _refuse_live(states[-1], target)
        change = Change(id=actor.identity, action="rollback", by=actor.by, at=now(), reason=actor.reason)
        service, before = roll_back(store, workflow, environment, change, to=target, after=after), states
    live = service.primary
    if live is None:
        raise RollbackRefusedError(f"{service.name} has no version that is live")
    left = before[-1].primary if before else None
    note_change(store, service, actor, "rolled_back", {"version": live.version, "from": left.version if left else None})
    return RolledBack(service=service, left=left, live=live, name=_move_champion(store, service, left, actor))


def follow(
    store: Store, done: RolledBack, wait: timedelta, connections: Mapping[str, str] | None = None
) -> tuple[str, str]:
    """Wait for the servers; give where it answers and a sentence. ServiceFailedError when one cannot run it.

    Containers and clusters, whose addresses are `connections`, are told to run it.
    """
    if elsewhere := follow_record(store, done.service, connections or {}, wait):
        return elsewhere
    try:
        reports = wait_until_ready(store, done.service, done.live.model.digest, wait.total_seconds())
    except ServiceFailedError:
        raise
    except ServiceError as err:
        return "", f"The record has changed, servers follow when they can: {err.message}."
    return reports[0].url, f"{len(reports)} model server{'s follow' if len(reports) > 1 else ' follows'}."


def mirrored(context: RunContext, name: str) -> list[str]:
    """Let MLflow's aliases follow; where MLflow does not answer, the next register or release does it."""
    home = home_of(context.store(), name) if name else None
    if home is None:
        return []
    try:
        return mirror_aliases(context, home, name)
    except MlopsError as err:
        log.warning("the aliases in MLflow follow later: %s", err)
        return [f"MLflow's aliases follow at the next register or release: {err.message}."]


def _id(state: Service) -> str:
    return state.change.id if state.change else ""


def _unfinished(store: Store, states: list[Service]) -> bool:
    """Say whether the latest change is a rollback after which the champion did not move."""
    if len(states) < 2 or states[-1].change is None or states[-1].change.action != "rollback":  # noqa: PLR2004 (a state before)
        return False
    left, live = states[-2].primary, states[-1].primary
    name = registered_name(store, states[-1].workflow, live.version, live.model.digest) if live else ""
    champion = read_standing(store, name).champion if name else None
    return champion is not None and left is not None and champion.version == left.version


def _refuse_live(service: Service, target: ServedVersion) -> None:
    """Refuse what would change nothing."""
    alone = [version for version in service.versions if version.weight]
    same = len(alone) == 1 and (alone[0].version, alone[0].model.digest) == (target.version, target.model.digest)
    if same and service.rollout is None:
        raise RollbackRefusedError(f"{service.name}: version {target.version} has all the traffic already")


def _move_champion(store: Store, service: Service, left: ServedVersion | None, actor: Actor) -> str:
    """Make the live version the champion where the one that the service left is it; give the name, or nothing."""
    live = service.primary
    if live is None:
        return ""
    name = registered_name(store, service.workflow, live.version, live.model.digest)
    home = home_of(store, name) if name else None
    champion = read_standing(store, name).champion if name else None
    if home is None or champion is None:
        return ""
    if champion.version == live.version:
        return name
    if left is None or champion.version != left.version:
        return ""  # the champion is another service's
    promotions.roll_back(store, home, name, Holder.of(store, replace(live.model, name=name), actor), actor)
    return name
