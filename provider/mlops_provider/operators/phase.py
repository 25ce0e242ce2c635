"""The operator under all phase operators: render the config, resolve references, do the work, hand on references."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from mlops_provider.console.links import PhaseRecordLink
from mlops_provider.exceptions import ConfigError, MlopsError
from mlops_provider.operators.rendering import PhaseRendering, returned
from mlops_provider.refs import Ref, ref_from_dict

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from airflow.sdk import Context

    from mlops_provider.runtime.contract import Inputs, RunContext
    from mlops_provider.runtime.phase import Finished


class PhaseOperator(PhaseRendering, BaseOperator):
    """Run one phase in the worker and return its references (below 1 kB).

    `workflow` names the workflow; `phase` the phase, default the task's id; `spec` the class that validates the
    rendered config, as 'module:Class'; `config` the phase's own keys (templated; a value that is one expression
    keeps its type); `inputs` maps input fields to (task id, output) pairs.
    """

    template_fields: Collection[str] = ("config",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"config": "yaml"}
    operator_extra_links = (PhaseRecordLink(),)
    phase_type: ClassVar[str] = ""
    optional_inputs: ClassVar[bool] = False
    """True where an input that was not given is fine: the phase then says what it makes of it."""

    def __init__(
        self,
        *,
        workflow: str,
        spec: str,
        config: dict[str, Any],
        inputs: Mapping[str, Collection[tuple[str, str]]] | None = None,
        phase: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.workflow = workflow
        self.phase = phase or self.task_id
        self.spec = spec
        self.config = config
        self.inputs = dict(inputs or {})

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the phase; terminal errors fail the task at once, retryable ones leave it to Airflow's retries."""
        try:
            finished = self.run(context)
        except MlopsError as err:
            if err.retryable:
                raise
            raise AirflowFailException(str(err)) from err
        verdict = finished.outcome.verdict
        self.log.info("%s\nrecord: %s", finished.outcome.summary, finished.record_uri)
        if verdict and verdict.status == "blocked" and self.config.get("on_fail") == "skip":
            raise AirflowSkipException("; ".join(verdict.failures()))
        return finished.to_xcom()

    def run(self, context: Context) -> Finished:
        """Do the work in this process."""
        from mlops_provider.runtime.phase import run_phase

        module, _, name = self.spec.partition(":")
        config = getattr(import_module(module), name).model_validate(self.config)
        return run_phase(config, self.resolve_inputs(context), run_context(self, context))

    def resolve_inputs(self, context: Context) -> Inputs:
        """Pull the references that earlier tasks returned."""
        return {
            field: [ref for task_id, output in sources if (ref := self._pull(context, task_id, output))]
            for field, sources in self.inputs.items()
        }

    def _pull(self, context: Context, task_id: str, output: str) -> Ref | None:
        outputs = returned(context, task_id)["outputs"]
        if output in outputs:
            return ref_from_dict(outputs[output])
        if self.optional_inputs:
            return None
        given = ", ".join(outputs) or "nothing"
        raise ConfigError(f"phase '{task_id}' gave no '{output}'", hint=f"it gave: {given}")


def run_context(operator: PhaseOperator, context: Context) -> RunContext:
    """Make the run context from Airflow's."""
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.settings import Settings

    settings = Settings.from_airflow()
    tracking_uri = settings.tracking_uri
    if settings.tracking_conn_id:
        from mlops_provider.hooks.mlflow import MlflowHook

        tracking_uri = MlflowHook(settings.tracking_conn_id).tracking_uri()
    dag_run, instance = context["dag_run"], context["ti"]
    monitoring = dag_run.dag_id != operator.workflow
    return RunContext(
        workflow=operator.workflow,
        run_id=f"monitor__{dag_run.run_id}" if monitoring else dag_run.run_id,
        phase=operator.phase,
        phase_type=operator.phase_type,
        attempt=instance.try_number,
        store_url=settings.store_url,
        tracking_uri=tracking_uri,
        data_root=settings.data_root,
        owner=operator.owner,
        allowed_imports=settings.allowed_imports,
        parameters=dict(context["params"]),
        reason=run_reason(context),
    )


def run_reason(context: Context) -> dict[str, Any]:
    """Say why the run exists: the payload of the asset event that triggered it, or how and by whom it was started."""
    dag_run = context["dag_run"]
    for event in dag_run.consumed_asset_events:
        source = f"{event.source_dag_id}/{event.source_run_id}" if event.source_dag_id else ""
        return {"kind": "asset", "asset": event.asset.uri, "source": source, "payload": event.extra}
    return {"kind": str(dag_run.run_type.value), "by": dag_run.triggering_user_name or ""}
