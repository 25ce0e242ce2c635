"""What is done to a service that runs: more or fewer replicas, an end, an end when its time has come."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mlops_provider.exceptions import ConfigError, ServiceError
from mlops_provider.runtime.targets.target import open_target
from mlops_provider.store.placements import read_placement, write_placement
from mlops_provider.store.services import Change, Service, list_service_names, now, read_service, stop_service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_provider.runtime.targets.target import Target
    from mlops_provider.store.placements import Placement
    from mlops_provider.store.store import Store

_LOOK_SECONDS = 1.0


def stop(
    store: Store,
    workflow: str,
    environment: str,
    change: Change,
    connections: Mapping[str, str],
    *,
    after: int | None = None,
) -> Service:
    """Let nothing answer, and end what runs: the record first, so that nobody is sent there any more.

    The same change asked for twice happens once; a stop that was cut short is completed. `after` is the revision that
    the caller has seen: ConflictError when somebody has changed the service since.
    """
    state = stop_service(store, workflow, environment, change, after=after)
    placement = read_placement(store, workflow, environment)
    if placement is not None and placement.state != "stopped" and not state.versions:
        open_target(store, placement, connections).stop(placement)
        write_placement(store, replace(placement, state="stopped", stops_at=""))
    return state


def require_stoppable(store: Store, workflow: str, environment: str) -> None:
    """Refuse to stop what does not run."""
    placement = read_placement(store, workflow, environment)
    if not read_service(store, workflow, environment).versions and (placement is None or placement.state == "stopped"):
        raise ConfigError(f"{workflow}/{environment} does not run")


def scale(store: Store, placement: Placement, replicas: int, connections: Mapping[str, str], wait: timedelta) -> None:
    """Let another number of replicas run, and wait for them; what does not come up is put back."""
    if placement.target == "server":
        raise ConfigError(
            f"{placement.name} runs on model servers: nobody starts them here", hint="mlops serve … --workers 4"
        )
    if placement.autoscale is not None:
        scale_now = placement.autoscale
        raise ConfigError(
            f"{placement.name} has {scale_now.minimum} to {scale_now.maximum} replicas by load",
            hint="change 'autoscale' in the workflow file",
        )
    if placement.state != "running":
        raise ConfigError(f"{placement.name} is {placement.state}: it cannot be scaled now")
    target = open_target(store, placement, connections)
    wanted = write_placement(store, replace(placement, replicas=replicas))
    target.apply(wanted)
    said = _wait(target, wanted, wait)
    if said:
        back = write_placement(store, replace(placement, revision=wanted.revision))
        target.apply(back)
        target.settle(back)
        raise ServiceError(
            f"{placement.name} does not come up with {replicas} replicas: {said}; {placement.replicas} stay"
        )
    target.settle(wanted)


def placed(store: Store, workflow: str = "") -> list[Placement]:
    """Give the placements of all services, or of those of a workflow."""
    names = [name for name in list_service_names(store) if workflow in {"", name[0]}]
    return [found for name in names if (found := read_placement(store, *name)) is not None]


def due(placements: list[Placement]) -> list[Placement]:
    """Give those whose time has come."""
    at = datetime.now(UTC)
    return [found for found in stopping(placements) if datetime.fromisoformat(found.stops_at) <= at]


def stopping(placements: list[Placement]) -> list[Placement]:
    """Give those that will stop by themselves, the first first."""
    return sorted(
        (found for found in placements if found.state == "running" and found.stops_at),
        key=lambda found: datetime.fromisoformat(found.stops_at),
    )


def stop_change(placement: Placement, by: str) -> Change:
    """Give the change of a service whose time has come: one for each placement, whoever stops it."""
    reason = f"its time was over at {placement.stops_at}"
    return Change(id=f"{placement.change}#stopped@{placement.stops_at}", action="stop", by=by, at=now(), reason=reason)


def _wait(target: Target, placement: Placement, wait: timedelta) -> str:
    """Give '' when it answers, or what it says at the end."""
    deadline = time.monotonic() + wait.total_seconds()
    while (progress := target.look(placement)).status == "waiting" and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    return "" if progress.status == "ready" else progress.said
