"""The references that a phase takes: from the phases before it, of one item or of all, or from an earlier run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError
from mlops_provider.operators.parameters import SCENE_RUN, chosen, chosen_scene
from mlops_provider.operators.results import Skip, results_of, task_of
from mlops_provider.refs import ref_from_dict

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mlops_provider.operators.phase import PhaseOperator
    from mlops_provider.refs import Ref
    from mlops_provider.runtime.contract import Inputs


def resolve_inputs(operator: PhaseOperator, context: Context) -> Inputs:
    """Give the references of every input field, in the order of the workflow file; skipped phases give none."""
    scene, members = chosen_scene(context)
    resolved: Inputs = {}
    for field, sources in operator.inputs.items():
        resolved[field] = []
        for source, output in sources:
            phase, _, how = source.partition("[")
            if scene and phase.partition(".")[0] not in members:
                returned = [_of_earlier_run(operator, context, phase)]
            else:
                returned = _returned(operator, context, phase, how)
            resolved[field].extend(ref for value in returned if (ref := _output(operator, phase, value, output)))
    return resolved


def _returned(operator: PhaseOperator, context: Context, phase: str, how: str) -> list[dict[str, Any]]:
    results = results_of(context)
    if how == "*]":
        return _collected(context, phase)
    index = context["ti"].map_index if how == "i]" else None
    if operator.rejoins and isinstance(results.find(phase, index), Skip):
        return []
    return [results.get(phase, index)]


def _collected(context: Context, phase: str) -> list[dict[str, Any]]:
    """Give what the items of a repeated phase returned; those that failed or were skipped are left out."""
    values = context["ti"].xcom_pull(task_ids=task_of(context, phase))
    values = values if isinstance(values, list) else [values]
    found = [dict(value) for value in values if value]
    if not found:
        raise ConfigError(f"no item of '{phase}' succeeded: there is nothing to collect")
    return found


def _output(operator: PhaseOperator, phase: str, value: dict[str, Any], output: str) -> Ref | None:
    outputs = value["outputs"]
    if output in outputs:
        return ref_from_dict(outputs[output])
    if operator.optional_inputs:
        return None
    given = ", ".join(outputs) or "nothing"
    raise ConfigError(f"phase '{phase}' gave no '{output}'", hint=f"it gave: {given}")


def _of_earlier_run(operator: PhaseOperator, context: Context, phase: str) -> dict[str, Any]:
    """Give what a phase outside the scene gave to the run that was chosen, or to the latest that has it."""
    from mlops_provider.runtime.records import latest_result
    from mlops_provider.settings import Settings
    from mlops_provider.store.store import Store

    store = Store(Settings.from_airflow().store_url)
    run_id = chosen(context, SCENE_RUN)
    found = latest_result(store, operator.workflow, phase, run_id=run_id)
    if found is None:
        where = f"run '{run_id}' has no result of it" if run_id else "no earlier run has a result of it"
        raise ConfigError(f"the scene starts from '{phase}': {where}", hint=f"run '{phase}' first, or name another run")
    return found
