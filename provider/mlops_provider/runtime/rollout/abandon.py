"""A release that nobody looks after any more is taken back: a canary must not go on unwatched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlops_provider.exceptions import UNDONE
from mlops_provider.runtime.aliases import actor_of
from mlops_provider.runtime.promotion import Promotion
from mlops_provider.runtime.rollback import note_rollback
from mlops_provider.store import rollouts
from mlops_provider.store.model_versions import registered_name
from mlops_provider.store.services import Change, list_service_names, now, read_service

if TYPE_CHECKING:
    from mlops_provider.runtime.contract import RunContext


def abandon(context: RunContext, why: str) -> str:
    """Take back the release that this phase of this run has under way; give what was done, empty for nothing."""
    store = context.store()
    for workflow, environment in list_service_names(store):
        service = read_service(store, workflow, environment) if workflow == context.workflow else None
        rollout = service.rollout if service else None
        if service is None or rollout is None or rollout.identity != context.identity:
            continue
        reason = f"{rollout.said()}: {why}"
        candidate = service.named()[rollout.candidate]
        change = Change(
            id=f"{context.identity}#rolled_back", action="rollback", by=context.owner, at=now(), reason=reason
        )
        after = rollouts.undo(store, service, context.identity, change)
        live = after.primary.version if after.primary else None
        actor = replace(actor_of(context), reason=reason)
        note_rollback(store, after, actor, {"version": live, "from": candidate.version, "step": rollout.step})
        if name := registered_name(store, workflow, candidate.version, candidate.model.digest):
            Promotion.of(context, replace(candidate.model, name=name)).give_up(reason)
        return f"version {live} of {service.name} runs {UNDONE}"
    return ""
