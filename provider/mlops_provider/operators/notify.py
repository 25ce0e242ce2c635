"""The monitor's action `notify`."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from mlops_provider.exceptions import ServiceError
from mlops_provider.operators.decision import read_decision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

_CONNECTION = re.compile(r"[\w.-]{1,100}")


class NotifyBreachOperator(BaseOperator):
    """Tell people of a breach: in the task's log, in the store, and whoever is in `to`.

    `decision` is the task that decided. `to` are HTTP connections that take JSON, and maps of `notifier` (any Airflow
    notifier that the deployment allows) and `arguments`, whose templates see `message`. One that fails does not keep
    the others from being told; it is retried, and those that took the message are not asked again.
    """

    ui_color = "#f3dfe6"

    def __init__(
        self,
        *,
        workflow: str,
        environment: str,
        to: Sequence[Any] = (),
        decision: str = "decide",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.workflow = workflow
        self.environment = environment
        self.to = list(to)
        self.decision = decision

    def execute(self, context: Context) -> list[str]:
        """Send what has not been sent; give the places that have the message."""
        from mlops_provider.notifications.phase_events import deliver
        from mlops_provider.runtime.monitor.deciding.message import message_of
        from mlops_provider.store.store import json_bytes

        store, decision = read_decision(context, self.decision)
        if "notify" not in decision["actions"]:
            raise AirflowSkipException(f"nothing to tell: {decision['why']}")
        message = {"workflow": self.workflow, "environment": self.environment, "owner": self.owner}
        message |= message_of(store, decision, page=_page(context, decision))
        self.log.warning("%s/%s breached: %s", self.workflow, self.environment, message["text"])
        folder = f"{self.workflow}/monitor/{self.environment}/notifications"
        name = decision["id"].replace("/", "~")
        store.files.create(f"{folder}/{name}.json", json_bytes(message))
        told, failed = ["store"], []
        for target in self.to:
            mark, label = f"{folder}/{name}.{_key(target)}.sent", _label(target)
            if not store.files.exists(mark):
                try:
                    deliver(target, message, context)
                except Exception as err:  # noqa: BLE001 (whatever a notifier does, the others are told)
                    failed.append(str(err) if label in str(err) else f"{label}: {type(err).__name__}: {err}")
                    continue
                store.files.create(mark, b"")
            told.append(label)
        if failed:
            raise ServiceError(f"the breach is on record, but not everyone was told: {'; '.join(failed)}")
        return told


def _page(context: Context, decision: dict[str, Any]) -> str:
    from mlops_provider.console.links import report_address

    return report_address(context["dag_run"].dag_id, str(decision["report"]).rsplit("/", 1)[-1])


def _label(target: Any) -> str:
    return target if isinstance(target, str) else str(target["notifier"])


def _key(target: Any) -> str:
    """Give a name for the mark of a target: that of a connection, or a notifier's with a digest of its arguments."""
    if isinstance(target, str) and _CONNECTION.fullmatch(target):
        return target
    from mlops_provider.store.store import json_bytes

    return f"{_label(target).rsplit('.', 1)[-1][:40]}-{hashlib.sha256(json_bytes(target)).hexdigest()[:12]}"
