"""The monitor's action `retrain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from mlops_provider.assets import retrain_uri
from mlops_provider.operators.decision import read_decision

if TYPE_CHECKING:
    from airflow.sdk import Context


class RequestRetrainingOperator(BaseOperator):
    """Emit the asset event that makes the workflow run again, with the reason as its payload."""

    ui_color = "#f3dfe6"

    def __init__(self, *, workflow: str, environment: str, decision: str = "decide", **kwargs: Any) -> None:
        super().__init__(outlets=[Asset(retrain_uri(workflow))], **kwargs)
        self.workflow = workflow
        self.environment = environment
        self.decision = decision

    def execute(self, context: Context) -> str:
        """Attach the reason to the event; a skipped task emits none."""
        _, decision = read_decision(context, self.decision)
        if "retrain" not in decision["actions"]:
            raise AirflowSkipException(f"no retraining: {decision['why']}")
        context["outlet_events"][Asset(retrain_uri(self.workflow))].extra = decision["reason"]
        return str(decision["why"])
