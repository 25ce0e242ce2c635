"""Phase type `label`."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from mlops_provider.exceptions import MlopsError
from mlops_provider.operators.admission import admit
from mlops_provider.operators.inputs import resolve_inputs
from mlops_provider.operators.phase import PhaseOperator, run_context

if TYPE_CHECKING:
    from airflow.sdk import Context


class LabelDataOperator(PhaseOperator):
    """Push rows to Label Studio, wait for people in the triggerer, take their labels."""

    phase_type = "label"
    ui_color = "#e3e8f7"

    def execute(self, context: Context) -> dict[str, Any]:
        """Push what is not there yet; go on at once where enough is labelled."""
        from mlops_provider.runtime.label import is_enough, push
        from mlops_provider.triggers.labels import LabelsTrigger

        admit(self, context)
        module, _, name = self.spec.partition(":")
        try:
            config = getattr(import_module(module), name).model_validate(self.config)
            inputs = resolve_inputs(self, context)
            run = replace(run_context(self, context), connections=self.connections(config))
            push(config, inputs, run)
            enough, said = is_enough(config, inputs, run)
        except MlopsError as err:
            if err.retryable:
                raise
            raise AirflowFailException(str(err)) from err
        self.log.info("%s", said)
        if not enough:
            trigger = LabelsTrigger(
                spec=self.spec,
                config=self.config,
                inputs={field: [ref.to_dict() for ref in refs] for field, refs in inputs.items()},
                run=run.to_dict(),
                seconds=config.every.total_seconds(),
            )
            self.defer(trigger=trigger, method_name="execute_complete", timeout=config.wait)
        return self.run(context).to_xcom()

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Take the labels."""
        if "error" in event:
            raise AirflowFailException(event["error"])
        self.log.info("%s", event["said"])
        return self.run(context).to_xcom()

    def connections(self, config: Any) -> dict[str, str]:
        """Give the address of the server."""
        from mlops_provider.hooks.label_studio import LabelStudioHook

        return {config.conn_id: LabelStudioHook(config.conn_id).address()}
