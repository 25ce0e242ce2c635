"""What a service was at a moment: revision, shares of the traffic, who made it so, where it ran."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.audit.trail import Flaws, Link
from mlops_provider.store.placements import placement_history
from mlops_provider.store.services import list_service_names, sound_history

if TYPE_CHECKING:
    from datetime import datetime

    from mlops_provider.refs import ModelRef
    from mlops_provider.store.services import Service
    from mlops_provider.store.store import Store

_UNDONE = frozenset({"rollback", "restore", "stop"})


def state_at(store: Store, workflow: str, environment: str, at: datetime, version: str) -> tuple[Link, ModelRef | None]:
    """Give the deployment record as it was at a moment, and the model that it names as a version.

    A server follows the record within seconds: where it had moved on already, the last state that names the version
    counts too, and the link says so.
    """
    states, wrong = sound_history(store, workflow, environment)
    flaws = Flaws(damaged=[each for each in wrong if "gone" not in each], missing=[w for w in wrong if "gone" in w])
    until = [state for state in states if state.change and _moment(state) <= at.timestamp()]
    current = until[-1] if until else None
    naming = next((state for state in reversed(until) if version in state.named()), None)
    if current is None or naming is None:
        known = "it has none so early" if current is None else f"the record then was revision {current.revision}"
        said = f"no state of {workflow}/{environment} up to {at:%Y-%m-%d %H:%M:%S} names version {version}"
        flaws.missing.append(f"{said}; {known}")
        return flaws.link("deployment", "What ran at that moment is not known.", {}), None
    late = (
        "" if version in current.named() else f" The server still answered with what revision {naming.revision} named."
    )
    data = state_data(current) | {"named_by": naming.revision}
    data["later"] = [state_data(state) for state in states if state.revision > current.revision]
    data["placement"] = _placement(store, workflow, environment, at)
    shares = ", ".join(f"version {found.version} {found.weight} %" for found in current.versions) or "no version"
    says = f"Revision {current.revision} of {workflow}/{environment}: {shares}.{late}"
    return flaws.link("deployment", says, data), naming.named()[version].model


def served_when(store: Store, model: ModelRef) -> Link:
    """Give every service that named a version with these bytes, from when until when and with which share."""
    periods, flaws = list[dict[str, Any]](), Flaws()
    for service in list_service_names(store):
        states, wrong = sound_history(store, *service)
        flaws.damaged += [f"{'/'.join(service)}, {each}" for each in wrong]
        for state, after in zip_longest(states, states[1:]):
            found = state.named().get(model.version)
            if found is not None and found.model.digest == model.digest:
                ended = after.change.at if after and after.change else ""
                periods.append({"service": state.name, "weight": found.weight, "until": ended, **state_data(state)})
    if not periods and not flaws.damaged:
        return Link(name="deployment", state="none", says="No service has ever named it.")
    now = sorted({each["service"] for each in periods if not each["until"] and each["weight"]})
    count = "1 state" if len(periods) == 1 else f"{len(periods)} states"
    says = f"Named in {count} of services; it answers now in: {', '.join(now) or 'none'}."
    return flaws.link("deployment", says, {"periods": periods})


def state_data(state: Service) -> dict[str, Any]:
    """Give a state as JSON: who made it, how and why, and who gets which share."""
    change = state.change
    return {
        "revision": state.revision,
        "action": change.action if change else "",
        "by": change.by if change else "",
        "at": change.at if change else "",
        "reason": change.reason if change else "",
        "change": change.id if change else "",
        "undone": change is not None and change.action in _UNDONE,
        "shares": {found.version: found.weight for found in state.versions},
        **{
            role: found.version if (found := getattr(state, role)) else None
            for role in ("shadow", "alternate", "previous")
        },
    }


def _placement(store: Store, workflow: str, environment: str, at: datetime) -> dict[str, Any]:
    """Give where it ran; {}: on model servers that load the model from the store."""
    made = [each for each in placement_history(store, workflow, environment) if each.at and each.at <= at.isoformat()]
    if not made:
        return {}
    found = made[-1]
    return {name: getattr(found, name) for name in ("target", "image", "namespace", "replicas", "state", "by", "at")}


def _moment(state: Service) -> float:
    from datetime import datetime

    return datetime.fromisoformat(state.change.at).timestamp() if state.change else 0.0
