"""The monitor's action `notify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowSkipException

from mlops_provider.exceptions import MlopsError, ServiceError
from mlops_provider.operators.decision import read_decision

if TYPE_CHECKING:
    from airflow.sdk import Context


class NotifyBreachOperator(BaseOperator):
    """Tell the owner of a breach: in the task's log, in the store, and over each connection.

    `decision` is the task that decided; `connections` are HTTP connections that take JSON. A connection that fails
    does not keep the others from being told; it is retried, and those that took the message are not asked again.
    """

    ui_color = "#f3dfe6"

    def __init__(
        self,
        *,
        workflow: str,
        environment: str,
        connections: list[str] | None = None,
        decision: str = "decide",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.workflow = workflow
        self.environment = environment
        self.connections = connections or []
        self.decision = decision

    def execute(self, context: Context) -> list[str]:
        """Send what has not been sent; give the places that have the message."""
        from mlops_provider.hooks.webhook import WebhookHook
        from mlops_provider.store.store import json_bytes

        store, decision = read_decision(context, self.decision)
        if "notify" not in decision["actions"]:
            raise AirflowSkipException(f"nothing to tell: {decision['why']}")
        message = {
            "workflow": self.workflow,
            "environment": self.environment,
            "owner": self.owner,
            "event": "breach",
            **{key: decision[key] for key in ("id", "at", "why", "actions", "report", "metrics")},
        }
        self.log.warning("%s/%s breached: %s", self.workflow, self.environment, decision["why"])
        name = decision["id"].replace("/", "~")
        folder = f"{self.workflow}/monitor/{self.environment}/notifications"
        store.files.create(f"{folder}/{name}.json", json_bytes(message))
        told, failed = ["store"], []
        for conn_id in self.connections:
            mark = f"{folder}/{name}.{conn_id}.sent"
            if not store.files.exists(mark):
                try:
                    WebhookHook(conn_id).post(message)
                except (AirflowException, MlopsError) as err:
                    failed.append(str(err))
                    continue
                store.files.create(mark, b"")
            told.append(conn_id)
        if failed:
            raise ServiceError(f"the breach is on record, but not everyone was told: {'; '.join(failed)}")
        return told
