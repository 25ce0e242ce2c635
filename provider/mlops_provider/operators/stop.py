"""Services that stop by themselves: one task waits in the triggerer for the next that is due."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from mlops_provider.exceptions import MlopsError

if TYPE_CHECKING:
    from airflow.sdk import Context


class StopServicesOperator(BaseOperator):
    """Stop a workflow's services when their `stop_after` is over; a later deployment moves that moment."""

    ui_color = "#e6dff3"

    def __init__(self, *, workflow: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.workflow = workflow

    def execute(self, context: Context, event: Any = None) -> list[str]:  # noqa: ARG002 (Airflow's signature)
        """Stop what is due; wait for what will be."""
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        from mlops_provider.hooks.addresses import addresses
        from mlops_provider.runtime.targets.upkeep import due, placed, stop, stop_change, stopping
        from mlops_provider.settings import Settings
        from mlops_provider.store.store import Store

        store, stopped = Store(Settings.from_airflow().store_url), []
        try:
            for placement in due(placed(store, self.workflow)):
                change = stop_change(placement, self.owner)
                stop(store, *placement.service, change, addresses([(placement.target, placement.connection)]))
                self.log.info("%s is stopped: %s", placement.name, change.reason)
                stopped.append(placement.name)
            later = stopping(placed(store, self.workflow))
        except MlopsError as err:
            if err.retryable:
                raise
            raise AirflowFailException(str(err)) from err
        if later:
            self.log.info("%s stops at %s", later[0].name, later[0].stops_at)
            self.defer(trigger=DateTimeTrigger(moment=datetime.fromisoformat(later[0].stops_at)), method_name="execute")
        return stopped
