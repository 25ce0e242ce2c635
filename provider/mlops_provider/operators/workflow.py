"""Phase type `workflow`, as a run of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk.exceptions import AirflowFailException

from mlops_provider.console.links import PhaseRecordLink
from mlops_provider.operators.admission import admit
from mlops_provider.operators.phase import run_context
from mlops_provider.operators.rendering import PhaseRendering

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from airflow.sdk import Context

POLL_SECONDS = 10


class StartWorkflowOperator(PhaseRendering, TriggerDagRunOperator):
    """Start a run of another workflow, once, and wait for it without a worker; give the outputs of its phases.

    `outputs` are those that this workflow refers to: names of its phases, or `phase.output`. A retry finds the run
    that it has started.
    """

    template_fields: Collection[str] = ("config",)
    operator_extra_links = (PhaseRecordLink(),)
    phase_type = "workflow"
    ui_color = "#e8e8f4"

    def __init__(
        self,
        *,
        workflow: str,
        spec: str,  # noqa: ARG002 (every phase operator takes it; here the config needs no second look)
        config: dict[str, Any],
        inputs: Mapping[str, Sequence[Sequence[str]]] | None = None,
        phase: str = "",
        control: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        wait = config.get("wait", True)
        super().__init__(
            trigger_dag_id=config["workflow"],
            wait_for_completion=wait,
            deferrable=wait,
            poke_interval=POLL_SECONDS,
            fail_when_dag_is_paused=True,
            **kwargs,
        )
        self.workflow = workflow
        self.phase = phase or self.task_id
        self.config = config
        self.inputs = dict(inputs or {})
        self.outputs: tuple[str, ...] = ()
        self.take(control or {})

    def execute(self, context: Context) -> Any:
        """Start the run, with a name that is the same in every try."""
        admit(self, context)
        self.conf = dict(self.config.get("parameters", {}))
        self.trigger_run_id = self._run_id(context)
        super().execute(context)
        return self._finish(context)

    def execute_complete(self, context: Context, event: tuple[str, dict[str, Any]]) -> Any:
        """Read the outputs from the records of the run."""
        super().execute_complete(context, event)
        return self._finish(context)

    def _run_id(self, context: Context) -> str:
        return f"{self.workflow}.{self.phase}__{context['run_id']}"

    def _finish(self, context: Context) -> dict[str, Any]:
        from mlops_provider.runtime.records import latest_result, note

        run = run_context(self, context)
        store, run_id = run.store(), self._run_id(context)
        given: dict[str, Any] = {}
        for name in self.outputs:
            phase, _, output = name.partition(".")
            found = latest_result(store, self.trigger_dag_id, phase, run_id=run_id)
            if found is None:
                raise AirflowFailException(f"run '{run_id}' of '{self.trigger_dag_id}' has no result of '{phase}'")
            refs = found["outputs"]
            if output not in refs and len(refs) != 1 and "data" not in refs:
                known = ", ".join(f"{phase}.{each}" for each in refs)
                raise AirflowFailException(f"'{phase}' of '{self.trigger_dag_id}' gives several outputs: {known}")
            given[name] = refs[output] if output in refs else refs.get("data") or next(iter(refs.values()))
        uri = note(
            run,
            started=context["ti"].start_date.isoformat(),
            summary=f"Run `{run_id}` of `{self.trigger_dag_id}`.",
            config=self.config,
            outputs=given,
            details={"dag_id": self.trigger_dag_id, "run_id": run_id},
        )
        return {"outputs": given, "verdict": None, "record": uri}
