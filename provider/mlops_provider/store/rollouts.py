"""Releases in steps: where one stands is part of the deployment record, so that whoever goes on knows it.

Each function writes one revision by compare-and-set, with an id of its own: what was done is not done again. Of two
releases of one service at once the second is refused.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlops_provider.exceptions import ConflictError, ReleaseRefusedError
from mlops_provider.store.services import (
    Change,
    Rollout,
    ServedVersion,
    Service,
    change_service,
    now,
    read_service,
    with_versions,
    write_service,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops_provider.refs import ModelRef
    from mlops_provider.store.store import Store

_ALL = 100


def require_free(service: Service, identity: str) -> None:
    """Refuse while another release of the service is under way; one that nobody looks after any more does not count."""
    other = service.rollout
    if other is None or other.identity == identity or is_abandoned(other):
        return
    raise ReleaseRefusedError(
        f"version {other.candidate} of {service.name} is being released by run {other.run} of '{other.by}' "
        f"({other.said()}, since {other.since})",
        hint="wait for its end, or end it: mlops rollback "
        f"{service.name} --reason '…'; then start a new run, so that the model is judged against what is live then",
    )


def is_abandoned(rollout: Rollout) -> bool:
    """Say whether the release should have gone on long ago."""
    return datetime.fromisoformat(rollout.until) < datetime.now(UTC)


def start(
    store: Store, service: Service, model: ModelRef, rollout: Rollout, change: Change, *, shadow: bool = False
) -> Service:
    """Load the candidate beside what is live, with no traffic, or as the shadow; give the state that is reached."""

    def make(current: Service) -> Service:
        require_free(current, rollout.identity)
        current = without(current)
        candidate = ServedVersion(version=model.version, model=model, weight=0)
        begun = replace(current, rollout=replace(rollout, previous=current.previous))
        if shadow:
            return replace(begun, shadow=candidate)
        others = tuple(one for one in current.versions if one.version != candidate.version)
        return replace(begun, versions=(*others, candidate))

    return change_service(store, service.workflow, service.environment, change, make)


def step(
    store: Store, service: Service, identity: str, number: int, weights: Mapping[str, int], until: str, change: Change
) -> Service:
    """Go to a step: divide the traffic; refused when the release is no longer under way."""

    def make(current: Service) -> Service:
        rollout = _own(current, identity)
        known = current.named()
        versions = tuple(replace(known[name], weight=weight) for name, weight in weights.items())
        made = with_versions(current, versions)
        return replace(made, rollout=replace(rollout, step=number, since=now(), until=until))

    return change_service(store, service.workflow, service.environment, change, make)


def keep(store: Store, service: Service, identity: str, until: str, change: Change) -> Service:
    """Say that somebody still looks after a step that stays open."""

    def make(current: Service) -> Service:
        return replace(current, rollout=replace(_own(current, identity), until=until))

    return change_service(store, service.workflow, service.environment, change, make)


def finish(
    store: Store, service: Service, identity: str, candidate: str, change: Change, *, alternate: str = "keep"
) -> Service:
    """Give the candidate all traffic and end the release; the version before is the previous one.

    `alternate`: previous lets the version before stand by, none lets nobody, keep changes nothing.
    """

    def make(current: Service) -> Service:
        rollout = _own(current, identity)
        known = current.named()
        version = replace(known[candidate], weight=_ALL)
        before = known.get(rollout.stable)
        shadow = current.shadow
        if shadow and shadow.version == candidate:
            shadow = None
        made = replace(with_versions(current, (version,)), shadow=shadow, rollout=None)
        made = replace(made, previous=before or rollout.previous)
        return with_alternate(made, alternate, before)

    return change_service(store, service.workflow, service.environment, change, make)


def with_alternate(service: Service, alternate: str, before: ServedVersion | None) -> Service:
    """Give the state in which the version before stands by, nobody does, or who did."""
    if alternate == "previous":
        return replace(service, alternate=replace(before, weight=0) if before else None)
    return replace(service, alternate=None) if alternate == "none" else service


def undo(store: Store, service: Service, identity: str, change: Change) -> Service:
    """End a release and give all traffic back to what was live before it; nothing happens when it is not under way."""
    while True:
        current = read_service(store, service.workflow, service.environment)
        if current.rollout is None or current.rollout.identity != identity:
            return current
        with suppress(ConflictError):
            return write_service(store, replace(without(current), change=change))


def without(service: Service) -> Service:
    """Give the state as it was before the release that is under way, if one is."""
    rollout = service.rollout
    if rollout is None:
        return service
    stable = service.named().get(rollout.stable)
    shadow = None if service.shadow and service.shadow.version == rollout.candidate else service.shadow
    versions = (replace(stable, weight=_ALL),) if stable else ()
    return replace(service, versions=versions, shadow=shadow, previous=rollout.previous, rollout=None)


def begun(states: Sequence[Service], identity: str) -> bool:
    """Say whether a release has changed the service already, and was not undone to be tried again."""
    ids = [state.change.id for state in states if state.change]
    return ids.count(identity) > ids.count(f"{identity}#undone")


def find_change(states: Sequence[Service], change_id: str) -> Service | None:
    """Find the state that a change made; None where it was never made."""
    return next((state for state in reversed(states) if state.change and state.change.id == change_id), None)


def _own(service: Service, identity: str) -> Rollout:
    rollout = service.rollout
    if rollout is None or rollout.identity != identity:
        change = service.change
        after = f": {change.action} by '{change.by}' at {change.at}" if change else ""
        raise ReleaseRefusedError(
            f"{service.name}: this release is no longer under way{after}", hint="start a new run to release the version"
        )
    return rollout
