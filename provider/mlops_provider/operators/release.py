"""Phase type `release`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import MlopsError
from mlops_provider.operators.admission import leave_out
from mlops_provider.operators.deploy import target_connections
from mlops_provider.operators.model_event import emit_model_event
from mlops_provider.operators.phase import PhaseOperator, run_context
from mlops_provider.operators.results import Skip

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mlops_provider.runtime.phase import Finished
    from mlops_provider.triggers.release import ReleaseTrigger

ONE_LOOK = "mlops_provider.runtime.rollout.one_look"


class ReleaseModelOperator(PhaseOperator):
    """Give a model version the production traffic, then make it the champion; steps are waited for in the triggerer."""

    phase_type = "release"
    ui_color = "#e6dff3"

    def execute(self, context: Context) -> dict[str, Any]:
        """Do what is due; where the release has to wait, end until then."""
        from mlops_provider.runtime.contract import PhaseUnfinishedError

        if not self.place:
            self.function = ONE_LOOK  # type: ignore[misc] # of this task: what runs elsewhere waits there
        try:
            return super().execute(context)
        except PhaseUnfinishedError as unfinished:
            self.log.info("%s", unfinished.said)
            self.defer(trigger=self._trigger(context, unfinished.seconds), method_name="resume")
            raise  # not reached: deferring ends the task
        except Exception:
            if context["ti"].try_number > context["ti"].max_tries:
                self._abandon(context, "the task failed for the last time")
            raise

    def resume(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Go on after the wait; a run that has to make room for a newer one takes its release back first."""
        self.log.info("%s", event.get("said", ""))
        if isinstance(self.decision, Skip):
            self._abandon(context, self.decision.why)
            leave_out(context, self.decision)
        return self.execute(context)

    def connections(self, config: Any) -> dict[str, str]:
        """Give the addresses of the engine or cluster, and of the one where the service ran before."""
        return target_connections(self.workflow, config)

    def announce(self, finished: Finished, context: Context) -> None:
        """Say that there is a new champion."""
        service: Any = finished.outcome.outputs["service"]
        if name := finished.outcome.details["name"]:
            extra = {"version": service.version, "digest": service.digest, "alias": "champion"}
            emit_model_event(self, context, name=name, extra=extra)

    def _trigger(self, context: Context, seconds: float) -> ReleaseTrigger:
        from mlops_provider.operators.inputs import resolve_inputs
        from mlops_provider.triggers.release import ReleaseTrigger

        inputs = resolve_inputs(self, context)
        return ReleaseTrigger(
            spec=self.spec,
            config=self.config,
            inputs={field: [ref.to_dict() for ref in refs] for field, refs in inputs.items()},
            run=run_context(self, context).to_dict(),
            seconds=seconds,
        )

    def _abandon(self, context: Context, why: str) -> None:
        """Take the release back, for nobody looks after it any more; what fails here must not hide the reason."""
        from mlops_provider.runtime.rollout.abandon import abandon

        try:
            abandon(run_context(self, context), why)
        except MlopsError as err:
            self.log.warning("the release could not be taken back: %s", err)
