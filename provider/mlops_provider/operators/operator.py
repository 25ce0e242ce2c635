"""Phase type `operator`: any Airflow operator, with a phase record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, conf

from mlops_provider.exceptions import ConfigError
from mlops_provider.operators.phase import run_context
from mlops_provider.runtime.contract import now
from mlops_provider.runtime.imports import import_allowed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from airflow.sdk import Context

DEFAULT_ALLOWED_OPERATORS = "airflow.providers.standard."


def run_operator(
    *,
    workflow: str,
    spec: str,  # noqa: ARG001 (every phase operator takes it; the operator checks its own arguments)
    config: dict[str, Any],
    inputs: Mapping[str, Collection[tuple[str, str]]] | None = None,  # noqa: ARG001 (as above)
    phase: str = "",
    **kwargs: Any,
) -> BaseOperator:
    """Make the operator that a phase names, if the deployment allows it, and record what it did."""
    allowed = str(conf.get("mlops", "allowed_operators", fallback="") or DEFAULT_ALLOWED_OPERATORS)
    operator_class = import_allowed(config["operator"], [part.strip() for part in allowed.split(",") if part.strip()])
    if not (isinstance(operator_class, type) and issubclass(operator_class, BaseOperator)):
        raise ConfigError(f"'{config['operator']}' is not an Airflow operator")
    arguments = dict(config.get("arguments", {}))
    try:
        operator: BaseOperator = operator_class(**arguments, **kwargs, post_execute=_write_record)
    except TypeError as err:
        raise ConfigError(f"'{config['operator']}' cannot be made: {err}") from err
    operator.workflow = workflow
    operator.phase = phase or operator.task_id
    operator.phase_type = "operator"
    return operator


def _write_record(context: Context, result: Any = None) -> None:
    from mlops_provider.runtime.records import write_record

    operator: Any = context["task"]
    run = run_context(operator, context)
    record = {
        **run.to_dict(),
        "started": context["ti"].start_date.isoformat(),
        "ended": now(),
        "status": "succeeded",
        "config": {"operator": f"{type(operator).__module__}.{type(operator).__name__}"},
        "inputs": {},
        "outputs": {},
        "metrics": {},
        "verdict": None,
        "summary": "",
        "details": {"returned": type(result).__name__},
    }
    write_record(run.store(), run, record)
