"""The compiler: a workflow becomes DAG `<workflow>` and, where it has a monitor, DAG `<workflow>.monitor`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Asset, AssetAny, AssetOrTimeSchedule, CronTriggerTimetable, Param

from mlops_dag_factory.phases import phase_types
from mlops_dag_factory.spec.base import PhaseOptions, PhaseSpec
from mlops_dag_factory.spec.data import IngestSpec
from mlops_dag_factory.spec.service import ApproveSpec
from mlops_provider.assets import retrain_uri

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    from mlops_dag_factory.spec import MonitorSpec, Workflow

START = datetime(2024, 1, 1, tzinfo=UTC)
DEFAULT_RETRIES = 2
DEFAULT_RETRY_DELAY = timedelta(seconds=30)
MONITOR_SUFFIX = ".monitor"
_NOT_CONFIG = {*PhaseOptions.model_fields, "title", "description"}


def compile_workflow(workflow: Workflow) -> DAG:
    """Compile the phases to one DAG with one task per phase; the same workflow gives the same DAG."""
    dag = DAG(
        workflow.workflow,
        dag_display_name=workflow.title or workflow.workflow,
        description=_first_line(workflow.description),
        doc_md=workflow.description or None,
        schedule=_schedule(workflow),
        start_date=START if workflow.schedule.catchup else None,  # without one, the first run waits for the next date
        catchup=workflow.schedule.catchup,
        max_active_runs=1,
        tags=workflow.tags,
        params={name: _param(spec) for name, spec in workflow.parameters.items()},
        render_template_as_native_obj=False,
    )
    tasks = {name: _task(dag, workflow, name, phase) for name, phase in workflow.phases.items()}
    for name in workflow.phases:
        for upstream in sorted(workflow.upstream(name)):
            tasks[upstream].set_downstream(tasks[name])
    return dag


def compile_monitor(workflow: Workflow) -> DAG | None:
    """Compile the monitor: window -> check -> decide -> notify, retrain."""
    monitor = workflow.monitor
    if monitor is None:
        return None
    dag = DAG(
        workflow.workflow + MONITOR_SUFFIX,
        description=f"Watches {workflow.workflow}/{monitor.environment} and acts on breaches.",
        schedule=_cron(monitor.schedule, workflow.schedule.timezone) if monitor.schedule else None,
        catchup=False,
        max_active_runs=1,
        tags=[*workflow.tags, "monitor"],
    )
    from mlops_provider.operators.monitor import CheckWindowOperator, DecideActionOperator, ReadWindowOperator

    config = monitor.model_dump(mode="json", exclude_defaults=True)
    common: dict[str, Any] = {
        "workflow": workflow.workflow,
        "spec": "mlops_dag_factory.spec.monitor:MonitorSpec",
        "config": config,
    }
    options = {"dag": dag, **_options(workflow, PhaseOptions())}
    window = ReadWindowOperator(task_id="window", **common, **options)
    check = CheckWindowOperator(task_id="check", inputs={"window": [("window", "window")]}, **common, **options)
    inputs = {"window": [("window", "window")], "report": [("check", "report")]}
    decide = DecideActionOperator(task_id="decide", inputs=inputs, **common, **options)
    window >> check >> decide
    for action in monitor.on_breach:
        decide >> _action(action, workflow, monitor, options)
    return dag


def _task(dag: DAG, workflow: Workflow, name: str, phase: PhaseSpec) -> BaseOperator:
    entry = phase_types()[phase.type]
    return entry.operator_class()(
        task_id=name,
        dag=dag,
        workflow=workflow.workflow,
        spec=entry.spec,
        config=_config(workflow, name, phase),
        inputs=_inputs(workflow, phase),
        doc_md=phase.description or None,
        task_display_name=phase.title or None,
        **_options(workflow, phase),
    )


def _config(workflow: Workflow, name: str, phase: PhaseSpec) -> dict[str, Any]:
    own = phase.__class__.__annotations__  # an option that a phase type defines anew is its own key
    config = phase.model_dump(mode="json", exclude_defaults=True, exclude=_NOT_CONFIG.difference(own))
    if isinstance(phase, IngestSpec) and phase.labels is None and workflow.monitor and workflow.monitor.labels:
        sources = [phase.source] if isinstance(phase.source, str) else phase.source
        if "predictions" in sources:
            config["labels"] = workflow.monitor.labels.model_dump(mode="json", exclude_defaults=True)
    if isinstance(phase, ApproveSpec) and not phase.evidence:
        before = workflow.ancestors(name)
        config["evidence"] = [other for other, spec in workflow.phases.items() if other in before and spec.checkpoint]
    return config


def _inputs(workflow: Workflow, phase: PhaseSpec) -> dict[str, list[tuple[str, str]]]:
    return {
        field: [_source(workflow, reference) for reference in references]
        for field, references in phase.references().items()
    }


def _source(workflow: Workflow, reference: str) -> tuple[str, str]:
    name, _, output = reference.partition(".")
    return name, output or workflow.phases[name].default_output or ""


def _options(workflow: Workflow, phase: PhaseOptions) -> dict[str, Any]:
    """Turn the options that every phase has into Airflow's; the phase's own win over the workflow's defaults."""

    def pick(name: str, otherwise: Any) -> Any:
        for options in (phase, workflow.defaults):
            value = getattr(options, name)
            if value is not None:
                return value
        return otherwise

    resources = phase.resources if "resources" in phase.model_fields_set else workflow.defaults.resources
    options: dict[str, Any] = {
        "owner": workflow.owner,
        "retries": pick("retries", DEFAULT_RETRIES),
        "retry_delay": pick("retry_delay", DEFAULT_RETRY_DELAY),
        "execution_timeout": pick("timeout", None) if not isinstance(phase, ApproveSpec) else None,
        "pool_slots": resources.pool_slots,
        "priority_weight": resources.priority,
    }
    if resources.pool:
        options["pool"] = resources.pool
    if resources.executor:
        options["executor"] = resources.executor
    return options


def _action(action: str, workflow: Workflow, monitor: MonitorSpec, options: dict[str, Any]) -> BaseOperator:
    common: dict[str, Any] = {
        "task_id": action,
        "workflow": workflow.workflow,
        "environment": monitor.environment,
        **options,
    }
    if action == "retrain":
        from mlops_provider.operators.retrain import RequestRetrainingOperator

        return RequestRetrainingOperator(**common)
    from mlops_provider.operators.notify import NotifyBreachOperator

    return NotifyBreachOperator(connections=monitor.notify, **common)


def _schedule(workflow: Workflow) -> Any:
    schedule = workflow.schedule
    uris = [*schedule.assets, retrain_uri(workflow.workflow)]
    assets = AssetAny(*(Asset(uri) for uri in uris))
    if schedule.cron is None:
        return assets
    return AssetOrTimeSchedule(timetable=_cron(schedule.cron, schedule.timezone), assets=assets)


def _cron(expression: str, timezone: str) -> CronTriggerTimetable:
    return CronTriggerTimetable(expression, timezone=timezone)


def _param(spec: Any) -> Param:
    if spec.required:
        return Param(description=spec.description or None, **spec.json_schema())
    return Param(spec.default, description=spec.description or None, **spec.json_schema())


def _first_line(text: str) -> str | None:
    return text.strip().splitlines()[0] if text.strip() else None
