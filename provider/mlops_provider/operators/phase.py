"""The operator under all phase operators: render the config, resolve references, do the work, hand on references."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from mlops_provider.console.links import PhaseRecordLink
from mlops_provider.exceptions import CheckpointBlockedError, MlopsError
from mlops_provider.operators.admission import admit, leave_out
from mlops_provider.operators.deadline import deadline
from mlops_provider.operators.inputs import resolve_inputs
from mlops_provider.operators.rendering import PhaseRendering
from mlops_provider.operators.results import Skip
from mlops_provider.operators.telemetry import tell, tell_duration, tell_failed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from airflow.sdk import Context

    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.phase import Finished
    from mlops_provider.runtime.places.work import Place


class PhaseOperator(PhaseRendering, BaseOperator):
    """Run one phase in the worker and return its references (below 1 kB).

    `workflow` names the workflow; `phase` the phase, default the task's id; `spec` the class that validates the
    rendered config, as 'module:Class'; `config` the phase's own keys (templated; a value that is one expression
    keeps its type); `inputs` maps input fields to (phase, output) pairs; `control` says when and with what it runs.
    """

    template_fields: Collection[str] = ("config", "inputs", "item")
    template_fields_renderers: ClassVar[dict[str, str]] = {"config": "yaml", "inputs": "yaml", "item": "yaml"}
    operator_extra_links = (PhaseRecordLink(),)
    phase_type: ClassVar[str] = ""
    function: ClassVar[str] = ""
    """Module whose `run` does the work, where the phase type is not one of this package's."""
    optional_inputs: ClassVar[bool] = False
    """True where an input that was not given is fine: the phase then says what it makes of it."""
    worker: int = 0
    """Number of a worker in the search of a training, counted from 1."""
    running: Place | None = None
    resumed: dict[str, Any] | None = None
    """What the triggerer said, where the task comes back from there."""

    def __init__(
        self,
        *,
        workflow: str,
        spec: str,
        config: dict[str, Any],
        inputs: Mapping[str, Sequence[Sequence[str]]] | None = None,
        phase: str = "",
        control: Mapping[str, Any] | None = None,
        item: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.workflow = workflow
        self.phase = phase or self.task_id
        self.spec = spec
        self.config = config
        self.inputs = dict(inputs or {})
        self.take(control or {})
        if item is not None:
            self.item = item

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the phase; terminal errors fail the task at once, retryable ones leave it to Airflow's retries."""
        admit(self, context)
        with deadline(self.execution_timeout):
            return self.finish(self.run(context), context)

    def resume_pod(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Go on when the pod of the phase has ended."""
        self.resumed = event
        return self.finish(self.run(context), context)

    def finish(self, finished: Finished, context: Context) -> dict[str, Any]:
        """Give what goes to XCom; a verdict may leave out what comes after."""
        verdict = finished.outcome.verdict
        if verdict and verdict.status == "blocked" and self.config.get("on_fail") == "skip":
            leave_out(context, Skip("blocked", "; ".join(verdict.failures())))
        self.announce(finished, context)
        return finished.to_xcom()

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Send how long the work took, and whether it came to no result; a wait for something outside is no end."""
        began = time.monotonic()
        try:
            yield
        except Exception as err:
            if not isinstance(err, AirflowSkipException):
                blocked = isinstance(err.__cause__, CheckpointBlockedError)
                tell_failed(self.workflow, self.phase, "blocked" if blocked else "failed")
            tell_duration(self.workflow, self.phase, time.monotonic() - began)
            raise
        tell_duration(self.workflow, self.phase, time.monotonic() - began)

    def announce(self, finished: Finished, context: Context) -> None:
        """Tell other workflows what is new; nothing by default."""

    def connections(self, config: Any) -> dict[str, str]:  # noqa: ARG002 (phase types that read databases use it)
        """Give the addresses of the databases that the work reads, by connection id; none by default."""
        return {}

    def run(self, context: Context) -> Finished:
        """Do the work, and send what is measured of it the way Airflow sends its own metrics."""
        with self._timed():
            finished = self._work(context)
        tell(self.workflow, self.phase, finished)
        return finished

    def _work(self, context: Context) -> Finished:
        """Do the work: in this process, or where the workflow says."""
        from mlops_provider.operators.places import place_for
        from mlops_provider.runtime.places.elsewhere import run_elsewhere, run_here
        from mlops_provider.runtime.places.work import Work

        try:
            work = Work(
                spec=self.spec,
                config=self.config,
                inputs=resolve_inputs(self, context),
                context=run_context(self, context),
                function=self.function,
                worker=self.worker,
            )
            config = work.validated()
            work = replace(work, context=replace(work.context, connections=self.connections(config)))
            if self.place:
                self.running, work = place_for(self, context, work)
                cache = False if self.resumed else self.cache  # it was asked before the pod was made
                finished = run_elsewhere(work, config, self.running, self.log.info, cache=cache)
            else:
                finished = run_here(work, config, cache=self.cache)
        except MlopsError as err:
            if err.retryable:
                raise
            raise AirflowFailException(str(err)) from err
        self.log.info("%s\nrecord: %s", finished.outcome.summary, finished.record_uri)
        return finished

    def on_kill(self) -> None:
        """End the work where it runs elsewhere."""
        if self.running is not None:
            self.running.kill()


def run_context(operator: Any, context: Context) -> RunContext:
    """Make the run context from Airflow's, for an operator that has `workflow`, `phase`, `phase_type` and `item`."""
    from mlops_provider.runtime.contract import RunContext, item_label
    from mlops_provider.settings import Settings

    settings = Settings.from_airflow()
    tracking_uri = settings.tracking_uri
    if settings.tracking_conn_id:
        from mlops_provider.hooks.mlflow import MlflowHook

        tracking_uri = MlflowHook(settings.tracking_conn_id).tracking_uri()
    dag_run, instance = context["dag_run"], context["ti"]
    monitoring = dag_run.dag_id != operator.workflow
    item = dict(getattr(operator, "item", None) or {})
    return RunContext(
        workflow=operator.workflow,
        run_id=f"monitor__{dag_run.run_id}" if monitoring else dag_run.run_id,
        phase=f"{operator.phase}@{item_label(item)}" if item else operator.phase,
        phase_type=operator.phase_type,
        attempt=instance.try_number,
        store_url=settings.store_url,
        tracking_uri=tracking_uri,
        data_root=settings.data_root,
        owner=operator.owner,
        allowed_imports=settings.allowed_imports,
        trusted_types=settings.trusted_types,
        base_image=settings.base_image,
        image_repository=settings.image_repository,
        policies=settings.policies,
        parameters=dict(context["params"]),
        item=item,
        reason=run_reason(context),
        at=(dag_run.logical_date or dag_run.run_after).isoformat(),
    )


def run_reason(context: Context) -> dict[str, Any]:
    """Say why the run exists: the payload of the asset event that triggered it, or how and by whom it was started.

    Of several events, that of a monitor counts: data arrives all the time, a breach is why this run is looked at.
    """
    dag_run = context["dag_run"]
    events = list(dag_run.consumed_asset_events)
    for event in sorted(events, key=lambda event: "monitor" not in (event.extra or {})):
        source = f"{event.source_dag_id}/{event.source_run_id}" if event.source_dag_id else ""
        return {"kind": "asset", "asset": event.asset.uri, "source": source, "payload": event.extra}
    return {"kind": str(dag_run.run_type.value), "by": dag_run.triggering_user_name or ""}
