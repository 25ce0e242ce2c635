"""The options of phases in Airflow's words: the phase's own win over the workflow's defaults."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from mlops_dag_factory.spec.approve import ApproveSpec
from mlops_dag_factory.spec.resources import RUNTIMES
from mlops_dag_factory.teams import teams

if TYPE_CHECKING:
    from mlops_dag_factory.spec import PhaseOptions, PhaseSpec, Resources, Workflow

DEFAULT_RETRIES = 2
DEFAULT_RETRY_DELAY = timedelta(seconds=30)


def airflow_options(workflow: Workflow, phase: PhaseOptions) -> dict[str, Any]:
    """Give the arguments of a task that come from the options of its phase."""
    defaults = workflow.defaults
    resources = resources_of(workflow, phase)
    retries = phase.retries if phase.retries is not None else defaults.retries
    options: dict[str, Any] = {
        "owner": workflow.owner,
        "retries": DEFAULT_RETRIES if retries is None else retries,
        "retry_delay": phase.retry_delay or defaults.retry_delay or DEFAULT_RETRY_DELAY,
        "pool_slots": resources.pool_slots,
        "priority_weight": resources.priority,
    }
    if not isinstance(phase, ApproveSpec):  # its timeout is how long it waits for people
        options["execution_timeout"] = phase.timeout or defaults.timeout
    if pool := resources.pool or pool_of(workflow):
        options["pool"] = pool
    if resources.executor:
        options["executor"] = resources.executor
    if resources.queue:
        options["queue"] = resources.queue
    return options


def resources_of(workflow: Workflow, phase: PhaseOptions) -> Resources:
    """Give the resources of a phase: what it does not say itself, the workflow's defaults say."""
    own, common = phase.resources, workflow.defaults.resources
    if not own.model_fields_set or not common.model_fields_set:
        return own if own.model_fields_set else common
    return common.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})


def place_of(workflow: Workflow, phase: PhaseSpec) -> dict[str, Any]:
    """Give where a phase runs as its operator takes it; nothing where that is the worker."""
    resources = resources_of(workflow, phase)
    if resources.runtime == "inline" or not phase.portable:
        return {}
    counted = RUNTIMES[resources.runtime] | {"runtime"}
    place = resources.model_dump(mode="json", exclude_defaults=True, include=set(counted))
    if resources.startup_timeout and "startup_timeout" in place:
        place["startup_timeout"] = resources.startup_timeout.total_seconds()
    return place


def pool_of(workflow: Workflow) -> str | None:
    """Give the pool of the workflow's team."""
    team = teams().get(workflow.team) if workflow.team else None
    return team.pool if team else None


def cache_of(workflow: Workflow, phase: PhaseOptions) -> bool | float:
    """Give what the operator takes: whether earlier results may be taken, or up to which age in seconds."""
    cache = phase.cache if phase.cache is not None else workflow.defaults.cache
    if cache is None or isinstance(cache, bool):
        return bool(cache)
    return cache.ttl.total_seconds() if cache.ttl else True
