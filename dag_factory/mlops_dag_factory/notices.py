"""Who is told of what: `notify` of the workflow and its phases becomes Airflow's callbacks."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from mlops_dag_factory.spec.phase import NotifierSpec, NotifySpec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops_dag_factory.spec import Workflow

_CALLBACKS = {
    "started": "on_execute_callback",
    "succeeded": "on_success_callback",
    "failed": "on_failure_callback",
    "skipped": "on_skipped_callback",
    "waiting": "notifiers",
}
_MOMENTS = {
    "blocked": ("failed", "skipped"),
    "released": ("succeeded",),
    "rolled_back": ("failed",),
    "retrain": ("succeeded",),
}
_ONLY = {
    "released": {"release"},
    "rolled_back": {"release", "rollback"},
    "retrain": {"retrain"},
    "waiting": {"approve", "ask", "override"},
}
WATCH = "watch"
"""The kind of the monitor's tasks that look and decide."""
_OF = {WATCH: {"failed"}}  # they run every hour


def notices(workflow: Workflow, name: str, own: Iterable[NotifySpec], *, kind: str, task: str = "") -> dict[str, Any]:
    """Give the callbacks of a task: `name` is the phase's, `own` its own notices, `kind` its type.

    `task` is what the message names, where a phase has several. Who is told of breaches is told, too, when the model
    that a breach asked for is not good enough.
    """
    specs = [*workflow.notify, *workflow.defaults.notify, *own]
    monitor = workflow.monitor
    asks = monitor is not None and kind == "evaluate" and "retrain" in monitor.actions
    asked = told_of_breaches(workflow, "blocked") if asks else []
    told: dict[str, dict[str, list[Any]]] = {}
    for spec in specs:
        if not fnmatchcase(name, spec.phases):
            continue
        for event in spec.events:
            if kind in _ONLY.get(event, {kind}) and event in _OF.get(kind, {event}):
                for moment in _moments(event, kind):
                    told.setdefault(moment, {}).setdefault(event, []).extend(resolve(workflow, spec.to, event))
    for moment in _MOMENTS["blocked"] if asked else ():
        told.setdefault(moment, {})
    if not told:
        return {}
    from mlops_provider.notifications.phase_events import PhaseEventNotifier

    return {
        _CALLBACKS[moment]: [
            PhaseEventNotifier(
                workflow=workflow.workflow,
                phase=task or name,
                moment=moment,
                to={event: _each_once(targets) for event, targets in to.items()},
                asked=[target for target in asked if target not in to.get("blocked", ())],
            )
        ]
        for moment, to in told.items()
        if moment in _CALLBACKS
    }


def monitor_notices(workflow: Workflow, task: str, *, kind: str) -> dict[str, Any]:
    """Give the callbacks of a task of the monitor: who is told of breaches is told that it failed, too."""
    to = breach_targets(workflow)
    own = [NotifySpec(on="failed", to=to)] if to else []
    return notices(workflow, "monitor", own, kind=kind, task=f"monitor.{task}")


def told_of_breaches(workflow: Workflow, event: str) -> list[Any]:
    """Give the connections and notifiers of those who are told of breaches, for an event."""
    return _each_once(resolve(workflow, breach_targets(workflow), event))


def breach_targets(workflow: Workflow) -> list[str | NotifierSpec]:
    """Give whom a breach is told, as the file has them: in the monitor's `notify`, and in notices of breaches."""
    named = [*workflow.monitor.notify] if workflow.monitor else []
    return named + [target for spec in workflow.notify if "breach" in spec.events for target in spec.to]


def _each_once(targets: list[Any]) -> list[Any]:
    return [target for place, target in enumerate(targets) if target not in targets[:place]]


def _moments(event: str, kind: str) -> tuple[str, ...]:
    """Give the moments of a task at which an event may be: a release is rolled back when it fails."""
    if (event, kind) == ("rolled_back", "rollback"):
        return ("succeeded",)
    return _MOMENTS.get(event, (event,))


def resolve(workflow: Workflow, targets: Iterable[str | NotifierSpec], event: str) -> list[Any]:
    """Give connections and notifiers, with the connections of a role in its place; who is waited for gets a link."""
    found: list[Any] = []
    for target in targets:
        if isinstance(target, NotifierSpec):
            found.append(target.model_dump(mode="json"))
        elif target.startswith("role:"):
            role = workflow.roles[target.removeprefix("role:")]
            found.extend(role.notify)
            if event == "waiting":
                found.extend({"conn_id": conn_id, "user": user} for user, conn_id in role.links.items())
            elif not role.notify:
                found.extend(role.links.values())
        else:
            found.append(target)
    return found
