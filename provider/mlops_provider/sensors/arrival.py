"""Waits for data before an ingest."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from mlops_provider.exceptions import MlopsError
from mlops_provider.operators.admission import admit
from mlops_provider.operators.phase import run_context
from mlops_provider.operators.rendering import PhaseRendering

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from airflow.sdk import Context


class DataArrivalSensor(PhaseRendering, BaseOperator):
    """Look once; where too little is there, wait in the triggerer.

    `phase` is the ingest's, `spec` and `config` are its own: what it has read before decides what is new.
    """

    template_fields: Collection[str] = ("config",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"config": "yaml"}
    phase_type = "ingest"
    ui_color = "#e6f2ea"

    def __init__(
        self,
        *,
        workflow: str,
        phase: str,
        spec: str,
        config: dict[str, Any],
        control: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.workflow = workflow
        self.phase = phase
        self.spec = spec
        self.config = config
        self.take(control or {})

    def execute(self, context: Context) -> str:
        """Go on when enough is there."""
        from mlops_provider.runtime.arrival import look_for_data
        from mlops_provider.triggers.arrival import DataArrivalTrigger

        admit(self, context)
        module, _, name = self.spec.partition(":")
        config = getattr(import_module(module), name).model_validate(self.config)
        run = run_context(self, context)
        try:
            arrival = look_for_data(config, run)
        except MlopsError as err:
            raise AirflowFailException(str(err)) from err
        if arrival.enough:
            return arrival.said
        self.log.info("%s", arrival.said)
        trigger = DataArrivalTrigger(
            spec=self.spec, config=self.config, run=run.to_dict(), every=config.wait.every.total_seconds()
        )
        self.defer(trigger=trigger, method_name="execute_complete", timeout=config.wait.timeout)
        return ""

    def execute_complete(self, context: Context, event: dict[str, Any]) -> str:  # noqa: ARG002 (Airflow's signature)
        """Say what arrived."""
        if "error" in event:
            raise AirflowFailException(event["error"])
        self.log.info("%s", event["said"])
        return str(event["said"])
