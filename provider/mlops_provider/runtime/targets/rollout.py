"""A rollout: a placement is written, asked for, waited for, put on record; or explained and undone.

Each step can be made again: a task that is killed anywhere goes on from the placement that it wrote.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mlops_provider.exceptions import UNDONE, MlopsError, ServiceError, ServiceFailedError, TargetUnavailableError
from mlops_provider.runtime.targets.target import Progress, open_target
from mlops_provider.store.placements import placement_history, ran_before, read_placement, write_placement
from mlops_provider.store.services import Change, ServedVersion, Service, now, set_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_provider.runtime.targets.target import Target
    from mlops_provider.store.placements import Placement
    from mlops_provider.store.store import Store

_LOOK_SECONDS = 1.0


def begin(store: Store, wanted: Placement, wait: timedelta, *, at_once: bool = False) -> Placement:
    """Write a placement, unless this change wrote it already; a later change of somebody else is not overwritten.

    `at_once` does not wait for the end of a rollout that somebody else has under way.
    """
    states = placement_history(store, wanted.workflow, wanted.environment)
    latest = states[-1] if states else None
    mine = [state for state in states if state.change == wanted.change]
    if latest is not None and latest.change == wanted.change:
        if latest.state == "running" or (latest.state == "rolling" and latest.attempt == wanted.attempt):
            return latest
    elif latest is not None and mine and mine[-1].state != "failed":
        raise ServiceFailedError(
            f"{wanted.name}: this change was made before and then followed by another by '{latest.by}' at {latest.at}; "
            f"version {latest.version} stays",
            hint="start a new run to bring the version back",
        )
    elif latest is not None and latest.state == "rolling" and latest.until > now() and not at_once:
        raise TargetUnavailableError(
            f"{wanted.name}: '{latest.by}' brings version {latest.version} up now, until {latest.until} at most",
            hint="it is tried again after that",
        )
    until = (datetime.now(UTC) + wait).isoformat(timespec="milliseconds")
    return write_placement(store, replace(wanted, at=now(), until=until, revision=latest.revision if latest else 0))


def carry_out(
    store: Store, placement: Placement, connections: Mapping[str, str], served: ServedVersion, change: Change
) -> tuple[Service, str]:
    """Ask for a placement, wait until it answers, put it on record, end what ran before; or undo all that.

    Gives the state of the record and where clients reach the service.
    """
    target = open_target(store, placement, connections)
    try:
        target.apply(placement)
        _wait_until_ready(target, placement)
    except TargetUnavailableError:
        raise  # nothing is known: the next try goes on from here
    except BaseException as err:
        _undo_and_say(store, placement, connections, err)
        raise
    state = set_version(store, placement.workflow, placement.environment, served, change)
    url = placement.url or target.url(placement)
    if placement.state != "running":
        placement = write_placement(store, replace(placement, state="running", url=url))
    target.settle(placement)
    leave(store, placement, connections)
    return state, url


def follow_record(
    store: Store, service: Service, connections: Mapping[str, str], wait: timedelta
) -> tuple[str, str] | None:
    """Let what runs in containers or a cluster follow a record that went back to an earlier version.

    Gives where that answers and a sentence; None where the service runs on model servers, which follow by themselves.
    """
    latest = read_placement(store, service.workflow, service.environment)
    live, change = service.primary, service.change
    if latest is None or latest.target == "server" or live is None or change is None:
        return None
    states = placement_history(store, service.workflow, service.environment)
    alike = [state for state in states if (state.version, state.model) == (live.version, live.model.digest)]
    ran = next((state for state in reversed(alike) if state.state == "running" and state.target != "server"), None)
    if ran is None:
        raise ServiceFailedError(
            f"version {live.version} of {service.name} never ran on {latest.target}: nothing says which image it has",
            hint="deploy the version again",
        )
    wanted = replace(ran, change=change.id, by=change.by, attempt=1, state="rolling", stops_at="")
    placement = begin(store, wanted, wait, at_once=True)
    _, url = carry_out(store, placement, connections, live, change)
    return url, f"It answers at {url}, on {placement.target}."


def leave(store: Store, placement: Placement, connections: Mapping[str, str]) -> None:
    """Stop what ran in another place until a placement was made."""
    before = ran_before(store, placement)
    if before is not None and before.place != placement.place and before.target != "server":
        open_target(store, before, connections).stop(before)


def undo(store: Store, placement: Placement, connections: Mapping[str, str]) -> Placement | None:
    """Put back what ran until a placement was made, and end what it brought; give what runs now, None for nothing.

    Nothing happens where somebody has placed the service anew since.
    """
    latest = read_placement(store, placement.workflow, placement.environment)
    if latest is None or latest.change != placement.change:
        return latest if latest and latest.state == "running" else None
    before = ran_before(store, latest)
    failed = write_placement(store, replace(latest, state="failed"))
    target = open_target(store, placement, connections)
    if before is None or before.place != placement.place:
        target.stop(placement)
    if before is None:
        return None
    if before.target != "server":
        former = open_target(store, before, connections)
        former.apply(before)
        former.settle(before)
    return write_placement(store, replace(before, revision=failed.revision))


def look(store: Store, placement: Placement, connections: Mapping[str, str]) -> Progress:
    """Ask for a placement and look once."""
    target = open_target(store, placement, connections)
    target.apply(placement)
    return target.look(placement)


def _wait_until_ready(target: Target, placement: Placement) -> None:
    while (progress := target.look(placement)).status == "waiting" and now() < placement.until:
        time.sleep(_LOOK_SECONDS)
    if progress.status != "ready":
        raise _failure(target, placement, progress)


def _failure(target: Target, placement: Placement, progress: Progress) -> ServiceError:
    reasons = target.explain(placement)
    late = progress.status == "waiting"
    said = f"{placement.name} did not answer until {placement.until}: {progress.said}" if late else progress.said
    kind = ServiceError if late or progress.again else ServiceFailedError
    return kind(f"{said}\n{reasons}" if reasons and reasons != progress.said else said)


def _undo_and_say(store: Store, placement: Placement, connections: Mapping[str, str], err: BaseException) -> None:
    """Undo, and let a failure of a service say what runs now."""
    try:
        back = undo(store, placement, connections)
    except MlopsError as second:
        err.add_note(f"what ran before could not be put back: {second.message}")
        return
    if isinstance(err, ServiceError):
        before = f"version {back.version} runs {UNDONE}" if back else f"nothing runs, {UNDONE}"
        raise type(err)(f"{err.message}\n{before}", hint=err.hint) from err
