"""Tell people of the events of a phase, over connections or any Airflow notifier."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow.sdk import conf
from airflow.sdk.bases.notifier import BaseNotifier

from mlops_provider.exceptions import UNDONE, MlopsError
from mlops_provider.operators.results import SKIPPED, Skip

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

DEFAULT_ALLOWED_NOTIFIERS = "airflow.providers."
MAX_WHY = 2000
PAUSES = (1.0, 3.0)
"""Seconds before a target that did not take the message is tried again."""


class PhaseEventNotifier(BaseNotifier):
    """Tell of one moment of a phase, if it is one of some events.

    `moment` is started, succeeded, failed, skipped or waiting; a phase that a verdict stops is blocked, whether it
    failed or was skipped for it; a release that failed and was undone is rolled back. `to` maps events to targets:
    HTTP connections that take JSON, maps of `conn_id` and the only `user` whom it reaches, or maps of `notifier` and
    `arguments`; `asked` are those told as well that a phase is blocked, in a run that a monitor asked for. A target
    that fails is logged and keeps neither the phase nor the others from going on.
    """

    def __init__(
        self, *, workflow: str, phase: str, moment: str, to: Mapping[str, Sequence[Any]], asked: Sequence[Any] = ()
    ) -> None:
        super().__init__()
        self.workflow = workflow
        self.phase = phase
        self.moment = moment
        self.to = to
        self.asked = asked

    def notify(self, context: Context) -> None:
        """Send the message of each event to its targets."""
        scope: Any = context
        skip: Skip | None = scope.get(SKIPPED)
        text = skip.why if skip else str(context.get("exception") or "")
        why = text[:MAX_WHY]
        blocked = skip.reason == "blocked" if skip else " is blocked: " in why
        for event in self.events(blocked=blocked, undone=UNDONE in text):
            message = {
                "event": event,
                "workflow": self.workflow,
                "phase": self.phase,
                "run": context["run_id"],
                "try": context["ti"].try_number,
                "owner": context["task"].owner,
                "why": why,
                "at": _now(),
            }
            invitation = getattr(context["task"], "invitation", None) if self.moment == "waiting" else None
            asked = self.asked if self.asked and event == "blocked" and _by_monitor(context) else ()
            for target in (*self.to.get(event, ()), *asked):
                user = str(target.get("user", "")) if isinstance(target, dict) else ""
                self._tell(target, {**message, **invitation(user)} if invitation else message, context)

    def _tell(self, target: Any, message: Mapping[str, Any], context: Context) -> None:
        for pause in (*PAUSES, None):
            try:
                deliver(target, message, context)
            except Exception as err:  # noqa: BLE001 (whatever a target does, the phase goes on)
                if pause is not None and isinstance(err, MlopsError) and err.retryable:
                    time.sleep(pause)
                    continue
                self.log.warning("%s of %s was not told: %s", message["event"], self.phase, err)
            break

    def events(self, *, blocked: bool = False, undone: bool = False) -> list[str]:
        """Give the events of those to tell that this moment is; `undone`: what ran before runs again."""
        if blocked and self.moment in {"failed", "skipped"}:
            return ["blocked"]
        back = undone or self.moment == "succeeded"  # what succeeds in rolling back is a phase for that
        other = {"blocked"} if back else {"blocked", "rolled_back"}
        return [event for event in self.to if event not in other]


def deliver(target: Any, message: Mapping[str, Any], context: Context) -> None:
    """Send a message to one target; raises where it is not taken."""
    conn_id = target if isinstance(target, str) else target.get("conn_id")
    if conn_id:
        from mlops_provider.hooks.webhook import WebhookHook

        WebhookHook(conn_id).post(dict(message))
        return
    from mlops_provider.imports import import_allowed

    allowed = str(conf.get("mlops", "allowed_notifiers", fallback="") or DEFAULT_ALLOWED_NOTIFIERS)
    notifier = import_allowed(target["notifier"], [part.strip() for part in allowed.split(",") if part.strip()])
    if not (isinstance(notifier, type) and issubclass(notifier, BaseNotifier)):
        raise MlopsError(f"'{target['notifier']}' is not an Airflow notifier")
    scope: Any = {**context, "message": dict(message)}
    notifier(**target.get("arguments", {}))(scope)


def _by_monitor(context: Context) -> bool:
    """Say whether a monitor asked for the run."""
    from mlops_provider.operators.phase import run_reason

    return "monitor" in (run_reason(context).get("payload") or {})


def _now() -> str:
    from mlops_provider.runtime.contract import now

    return now()
