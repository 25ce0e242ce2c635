"""Who is told of what: `notify` of the workflow and its phases becomes Airflow's callbacks."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from mlops_dag_factory.spec.phase import NotifierSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops_dag_factory.spec import Workflow
    from mlops_dag_factory.spec.phase import NotifySpec

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


def notices(workflow: Workflow, name: str, own: Iterable[NotifySpec], *, kind: str) -> dict[str, Any]:
    """Give the callbacks of a task: `name` is the phase's, `own` its own notices, `kind` its type.

    Who is told of breaches is told, too, when the model that a breach asked for is not good enough.
    """
    specs = [*workflow.notify, *workflow.defaults.notify, *own]
    monitor = workflow.monitor
    watching = monitor.notify if monitor and kind == "evaluate" and "retrain" in monitor.actions else []
    if not specs and not watching:
        return {}
    told: dict[str, dict[str, list[Any]]] = {}
    for spec in specs:
        if not fnmatchcase(name, spec.phases):
            continue
        for event in spec.events:
            if kind in _ONLY.get(event, {kind}):
                for moment in _moments(event, kind):
                    told.setdefault(moment, {}).setdefault(event, []).extend(resolve(workflow, spec.to, event))
    asked = resolve(workflow, watching, "blocked")
    for moment in _MOMENTS["blocked"] if asked else ():
        told.setdefault(moment, {})
    if not told:
        return {}
    from mlops_provider.notifications.phase_events import PhaseEventNotifier

    return {
        _CALLBACKS[moment]: [
            PhaseEventNotifier(
                workflow=workflow.workflow,
                phase=name,
                moment=moment,
                to=to,
                asked=[target for target in asked if target not in to.get("blocked", ())],
            )
        ]
        for moment, to in told.items()
        if moment in _CALLBACKS
    }


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
