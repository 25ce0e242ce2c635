"""Whether a phase runs: the scene, what became of the phases before it, its condition.

A phase whose work was left out by a condition lets go on what has other phases to take from; one that was blocked,
rejected or that failed does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from mlops_provider.exceptions import ExpressionError, MlopsError
from mlops_provider.expressions import Expression
from mlops_provider.operators.parameters import chosen_scene
from mlops_provider.operators.results import SKIPPED, TOLERATED, Skip, results_of, task_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mlops_provider.operators.rendering import PhaseRendering


def decide(operator: PhaseRendering, context: Context) -> Skip | Exception | None:
    """Decide before anything is rendered; what cannot be decided is raised when the phase is about to run."""
    try:
        return reason_to_skip(operator, context)
    except (AirflowFailException, MlopsError) as err:
        return err


def admit(operator: PhaseRendering, context: Context) -> None:
    """Go on, or skip this task and say why, for people and for the phases after it."""
    decision = operator.decision
    if isinstance(decision, Skip):
        leave_out(context, decision)
    if isinstance(decision, MlopsError) and decision.retryable:
        raise decision
    if decision is not None:
        raise AirflowFailException(str(decision)) from decision


def leave_out(context: Context, skip: Skip) -> NoReturn:
    """Skip this task; its reason goes to the phases after it."""
    context["ti"].xcom_push(key=SKIPPED, value=skip.to_dict())
    scope: Any = context
    scope[SKIPPED] = skip  # for the notifier that looks at this context afterwards
    raise AirflowSkipException(skip.why)


def reason_to_skip(operator: PhaseRendering, context: Context) -> Skip | None:
    """Say why a phase does not run, or None."""
    scene, members = chosen_scene(context)
    if scene and operator.phase.partition(".")[0] not in members:
        return Skip("scene", f"'{operator.phase}' is not in the scene '{scene}'")
    if operator.on_running != "queue" and (why := _superseded(operator, context)):
        return Skip("superseded", why)
    if operator.rejoins and (skip := _missing(operator, context, members)):
        return skip
    if operator.when and not holds(operator, context):
        return Skip("when", f"its condition does not hold: {operator.when}")
    return None


def holds(operator: PhaseRendering, context: Context) -> bool:
    """Evaluate the condition of a phase."""
    expression = Expression.parse(operator.when)
    scope: dict[str, Any] = {"parameters": context["params"], "phases": {}, "item": operator.item or {}}
    for name in expression.names():
        parts = name.split(".")
        if parts[0] == "phases" and len(parts) > 1 and parts[1] not in scope["phases"]:
            scope["phases"][parts[1]] = getattr(context["phases"], parts[1])
    try:
        return bool(expression.evaluate(scope))
    except ExpressionError as err:
        raise AirflowFailException(f"the condition of '{operator.phase}' has no answer: {err}") from err


def _superseded(operator: PhaseRendering, context: Context) -> str:
    run, instance = context["dag_run"], context["ti"]
    if operator.on_running == "cancel":
        waiting = instance.get_dr_count(run.dag_id, states=["queued"])
        return "a newer run waits, and this workflow cancels what is running then" if waiting else ""
    if run.run_type.value != "scheduled" or context["task"].upstream_task_ids:
        return ""
    before = instance.get_previous_dagrun()
    if before is not None and before.end_date and before.end_date > run.run_after:
        return f"run {before.run_id} was running when this one was due, and this workflow skips it then"
    return ""


def _missing(operator: PhaseRendering, context: Context, scene: list[str]) -> Skip | None:
    """Say what this phase lacks: one that was stopped, all of a field's phases, or all that it comes after."""
    fields = [[source for source, _ in sources] for sources in operator.inputs.values()]
    needed = (
        [[f"{operator.prefix}{phase}"] for phase in Expression.parse(operator.when).phases()] if operator.when else []
    )
    alternatives = [*fields, *needed] or [list(operator.after)]
    skips: dict[str, Skip] = {}
    for source in {name for group in (*alternatives, operator.after) for name in group}:
        if scene and source.partition("[")[0].partition(".")[0] not in scene:
            continue  # it is taken from an earlier run
        skip = _skip_of(context, source)
        if skip is not None:
            skips[source] = skip
    stopped = [skip for skip in skips.values() if skip.reason not in TOLERATED]
    if stopped:
        return stopped[0]
    for group in alternatives:
        if group and all(source in skips for source in group):
            return skips[group[0]]
    return None


def _skip_of(context: Context, source: str) -> Skip | None:
    """Say why a phase gave nothing; None where it ran."""
    phase = _bare(source)
    instance = context["ti"]
    index = instance.map_index if source.endswith("[i]") else None
    found = results_of(context).find(phase, index)
    if source.endswith("[*]"):
        return None  # collecting says itself what is missing
    if not isinstance(found, Skip | None):
        return None
    if found is not None:
        return found
    if index is not None:
        return Skip("item", f"'{phase}' failed for this item")
    task_id = task_of(context, phase)
    states = instance.get_task_states(instance.dag_id, task_ids=[task_id], run_ids=[instance.run_id])
    state = states.get(instance.run_id, {}).get(task_id)
    if state == "skipped":
        return Skip("blocked", f"'{phase}' did not run")
    if state == "success":
        return None  # an operator that returns no references
    raise AirflowFailException(f"'{phase}' failed")


def _bare(source: str) -> str:
    return source.partition("[")[0]
