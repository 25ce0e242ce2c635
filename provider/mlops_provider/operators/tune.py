"""The trials of a phase `train` as tasks of their own: `model.trial`, mapped over the workers of the search."""

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


class RunTrialsOperator(PhaseOperator):
    """Run trials of a search until none is left; other workers do the same elsewhere.

    It reads what its training reads and leaves a record of its own. `worker` counts from 1.
    """

    phase_type = "train"
    ui_color = "#eef7ea"

    def __init__(self, *, worker: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.worker = worker

    def execute(self, context: Context) -> dict[str, Any]:
        """Work on the search; terminal errors fail the task at once."""
        admit(self, context)
        from mlops_provider.runtime.tuning.task import run_trials

        module, _, name = self.spec.partition(":")
        try:
            config = getattr(import_module(module), name).model_validate(self.config)
            inputs = resolve_inputs(self, context)
            training = run_context(self, context)
            worker = replace(training, phase=f"{training.phase}.trial@{self.worker}")
            said, uri = run_trials(config, inputs, training, worker, cache=self.cache)
        except MlopsError as err:
            if err.retryable:
                raise
            raise AirflowFailException(str(err)) from err
        self.log.info("%s\nrecord: %s", said, uri)
        return {"outputs": {}, "verdict": None, "record": uri}
