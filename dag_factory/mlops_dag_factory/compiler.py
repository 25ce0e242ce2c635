"""The compiler: a workflow becomes DAG `<workflow>`; its monitor `<workflow>.monitor`, what ends services `….stop`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Asset, AssetAlias, AssetAny, AssetOrTimeSchedule, CronTriggerTimetable, Param, TriggerRule

from mlops_dag_factory.notices import WATCH, monitor_notices, told_of_breaches
from mlops_dag_factory.options import airflow_options
from mlops_dag_factory.spec.monitoring.actions import TodoAction
from mlops_dag_factory.spec.phase import PhaseOptions
from mlops_dag_factory.spec.sub_workflow import SubWorkflowSpec
from mlops_dag_factory.spec.target import TargetSpec
from mlops_dag_factory.tasks import build_tasks
from mlops_provider.assets import model_uri, retrain_uri, stops_uri
from mlops_provider.operators.parameters import NONE, PRESET, SCENE, SCENE_RUN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import BaseOperator

    from mlops_dag_factory.spec import MonitorSpec, ParameterSpec, Workflow

START = datetime(2024, 1, 1, tzinfo=UTC)
MONITOR_SUFFIX = ".monitor"
STOP_SUFFIX = ".stop"


def compile_all(workflow: Workflow) -> list[DAG]:
    """Compile every DAG of a workflow."""
    found = (compile_workflow(workflow), compile_monitor(workflow), compile_stop(workflow))
    return [dag for dag in found if dag is not None]


def compile_one(workflow: Workflow, dag_id: str) -> DAG | None:
    """Compile one DAG of a workflow; None where it has none of that name."""
    suffix = dag_id.removeprefix(workflow.workflow)
    compilers = {"": compile_workflow, MONITOR_SUFFIX: compile_monitor, STOP_SUFFIX: compile_stop}
    return compilers[suffix](workflow) if suffix in compilers else None


def compile_workflow(workflow: Workflow) -> DAG:
    """Compile the phases to one DAG; the same workflow gives the same DAG."""
    schedule = workflow.schedule
    dag = DAG(
        workflow.workflow,
        dag_display_name=workflow.title or workflow.workflow,
        description=_first_line(workflow.description),
        doc_md=workflow.description or None,
        schedule=_schedule(workflow),
        start_date=START if schedule.catchup else None,  # without one, the first run waits for the next date
        catchup=schedule.catchup,
        max_active_runs=1,
        max_consecutive_failed_dag_runs=1 if schedule.on_failure == "stop" else 0,
        tags=[*workflow.tags, *([f"team:{workflow.team}"] if workflow.team else [])],
        params=_params(workflow),
        render_template_as_native_obj=False,
    )
    build_tasks(dag, workflow)
    return dag


def compile_monitor(workflow: Workflow) -> DAG | None:
    """Compile the monitor: window -> check -> decide -> what is done about a breach, side by side."""
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
    from mlops_provider.operators.monitor import (
        CheckWindowOperator,
        DecideActionOperator,
        ProfileHoursOperator,
        ReadWindowOperator,
    )

    config = _with_people(workflow, monitor).model_dump(mode="json", exclude_defaults=True)
    config.pop("notify", None)  # its templates see the message, which only the task `notify` has
    common: dict[str, Any] = {
        "workflow": workflow.workflow,
        "spec": "mlops_dag_factory.spec.monitor:MonitorSpec",
        "config": config,
    }
    options = {"dag": dag, **airflow_options(workflow, PhaseOptions())}

    def watching(task: str) -> dict[str, Any]:
        return {"task_id": task, **common, **options, **monitor_notices(workflow, task, kind=WATCH)}

    # The window makes what a task before it has not made: one that failed does not hold it up.
    window = ReadWindowOperator(trigger_rule=TriggerRule.ALL_DONE, **watching("window"))
    if monitor.window.tasks > 1:
        parts = [{"part": part} for part in range(monitor.window.tasks)]
        ProfileHoursOperator.partial(task_id="hours", **common, **options).expand(item=parts) >> window
    given = {name: [("window", name)] for name in ("window", "due", "profile")}
    check = CheckWindowOperator(inputs=given, **watching("check"))
    inputs = {"window": [("window", "window")], "due": [("window", "due")], "report": [("check", "report")]}
    decide = DecideActionOperator(inputs=inputs, **watching("decide"))
    window >> check >> decide
    tasks = {action: _action(action, workflow, monitor, common, options) for action in monitor.actions}
    for task in tasks.values():
        decide >> task
    if {"fallback", "stop"} <= tasks.keys():  # what is stopped has fallen back first, or could not
        tasks["fallback"] >> tasks["stop"]
    return dag


def _with_people(workflow: Workflow, monitor: MonitorSpec) -> MonitorSpec:
    """Give the monitor with the people of a to-do's role in it: its task does not see the workflow."""
    todo = monitor.todo
    if not todo.role:
        return monitor
    users = dict.fromkeys([*todo.users, *workflow.roles[todo.role].users])
    named = TodoAction(todo=todo.model_copy(update={"users": list(users)}))
    actions = [named if isinstance(action, TodoAction) else action for action in monitor.on_breach]
    return monitor.model_copy(update={"on_breach": actions})


def compile_stop(workflow: Workflow) -> DAG | None:
    """Compile what stops services when their `stop_after` is over: one task, which waits without a worker."""
    phases = [phase for inner in _with_definitions(workflow) for phase in inner.phases.values()]
    if not any(isinstance(phase, TargetSpec) and phase.stop_after for phase in phases):
        return None
    dag = DAG(
        workflow.workflow + STOP_SUFFIX,
        description=f"Stops services of {workflow.workflow} when their time is over.",
        schedule=[Asset(stops_uri(workflow.workflow))],
        catchup=False,
        max_active_runs=1,
        tags=[*workflow.tags, "stop"],
    )
    from mlops_provider.operators.stop import StopServicesOperator

    options = airflow_options(workflow, PhaseOptions())
    StopServicesOperator(task_id="stop", workflow=workflow.workflow, dag=dag, **{**options, "execution_timeout": None})
    return dag


def _with_definitions(workflow: Workflow) -> Iterator[Workflow]:
    """Give a workflow and those that its phases run inside it."""
    yield workflow
    for phase in workflow.phases.values():
        if isinstance(phase, SubWorkflowSpec) and phase.definition is not None:
            yield from _with_definitions(phase.definition)


def _action(
    action: str, workflow: Workflow, monitor: MonitorSpec, common: dict[str, Any], options: dict[str, Any]
) -> BaseOperator:
    """Give the task of an action."""
    named = {"task_id": action, "workflow": workflow.workflow, "environment": monitor.environment}
    told = monitor_notices(workflow, action, kind=action)
    if action == "notify":
        from mlops_provider.operators.notify import NotifyBreachOperator

        return NotifyBreachOperator(to=told_of_breaches(workflow, "breach"), **named, **options, **told)
    if action == "retrain":
        from mlops_provider.operators.retrain import RequestRetrainingOperator

        return RequestRetrainingOperator(**named, **options, **told)
    from mlops_provider.operators.actions import ACTIONS

    more: dict[str, Any] = {}
    if action == "fallback":
        more["outlets"] = [AssetAlias(model_uri(workflow.workflow))]
    if action == "stop":
        more["trigger_rule"] = TriggerRule.ALL_DONE_MIN_ONE_SUCCESS
    return ACTIONS[action](task_id=action, **more, **common, **options, **told)


def _schedule(workflow: Workflow) -> Any:
    schedule = workflow.schedule
    uris = [*schedule.assets, retrain_uri(workflow.workflow)]
    assets = AssetAny(*(Asset(uri) for uri in uris))
    if schedule.cron is None:
        return assets
    return AssetOrTimeSchedule(timetable=_cron(schedule.cron, schedule.timezone), assets=assets)


def _cron(expression: str, timezone: str) -> CronTriggerTimetable:
    return CronTriggerTimetable(expression, timezone=timezone)


def _params(workflow: Workflow) -> dict[str, Param]:
    """Give the trigger form: what chooses presets and scenes, and every parameter that is not asked for later."""
    form: dict[str, Param] = {}
    if workflow.presets:
        text = "Values that count where the fields below keep their defaults."
        named = dict.fromkeys(name for values in workflow.presets.values() for name in values)
        defaults = {name: workflow.parameters[name].default for name in named}
        form[PRESET] = _choice(workflow.presets, text, presets=workflow.presets, defaults=defaults)
    if workflow.scenes:
        text = "Run these phases only; what they need of others comes from an earlier run."
        form[SCENE] = _choice(workflow.scenes, text, scenes=workflow.scenes)
        about = "Run that a scene starts from; empty: the latest that has what is needed."
        form[SCENE_RUN] = Param(None, type=["null", "string"], description=about)
    form |= {name: _param(spec) for name, spec in workflow.parameters.items() if not spec.ask}
    return form


def _choice(names: Any, description: str, **more: Any) -> Param:
    return Param(NONE, enum=[NONE, *names], type="string", description=description, **more)


def _param(spec: ParameterSpec) -> Param:
    if spec.required:
        return Param(description=spec.description or None, **spec.json_schema())
    return Param(spec.default, description=spec.description or None, **spec.json_schema())


def _first_line(text: str) -> str | None:
    return text.strip().splitlines()[0] if text.strip() else None
