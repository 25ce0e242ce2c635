"""A release that nobody looks after any more is taken back: a canary must not go on unwatched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlops_provider.runtime.aliases import actor_of
from mlops_provider.store import promotions, rollouts
from mlops_provider.store.model_versions import home_of, registered_name
from mlops_provider.store.service_chain import note_change
from mlops_provider.store.services import Change, list_service_names, now, read_service
from mlops_provider.store.standing import Holder

if TYPE_CHECKING:
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.store.services import Service


def abandon(context: RunContext, why: str) -> Service | None:
    """Take back the release that this phase of this run has under way; give what runs then, None where none is."""
    store = context.store()
    for workflow, environment in list_service_names(store):
        service = read_service(store, workflow, environment) if workflow == context.workflow else None
        if service and service.rollout and service.rollout.identity == context.identity:
            return _end(context, service, why)
    return None


def end_abandoned(context: RunContext, service: Service) -> Service:
    """Take back another run's release that should have gone on long ago; give what runs then."""
    rollout = service.rollout
    if rollout is None or rollout.identity == context.identity or not rollouts.is_abandoned(rollout):
        return service
    return _end(context, service, f"nobody has looked after it, and run {context.run_id} begins another release")


def _end(context: RunContext, service: Service, why: str) -> Service:
    store, rollout = context.store(), service.rollout
    if rollout is None:
        return service
    reason = f"{rollout.said()}: {why}"
    candidate = service.named()[rollout.candidate]
    change = Change(id=f"{rollout.identity}#rolled_back", action="rollback", by=context.owner, at=now(), reason=reason)
    after = rollouts.undo(store, service, rollout.identity, change)
    actor = replace(actor_of(context), identity=rollout.identity, run=rollout.run, reason=reason)
    live = after.primary.version if after.primary else None
    note_change(store, after, actor, "rolled_back", {"version": live, "from": candidate.version, "step": rollout.step})
    name = registered_name(store, service.workflow, candidate.version, candidate.model.digest)
    if home := home_of(store, name) if name else None:
        holder = Holder.of(store, replace(candidate.model, name=name), actor)
        promotions.give_up(store, home, name, holder, actor, reason)
    return after
