"""Phase type `operator`: any Airflow operator, with a phase record."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, conf

from mlops_provider.exceptions import ConfigError
from mlops_provider.imports import import_allowed
from mlops_provider.operators.admission import admit
from mlops_provider.operators.phase import run_context
from mlops_provider.operators.rendering import PhaseRendering

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

DEFAULT_ALLOWED_OPERATORS = "airflow.providers.standard.,mlops_provider.sensors."


def run_operator(
    *,
    workflow: str,
    spec: str,  # noqa: ARG001 (every phase operator takes it; the operator checks its own arguments)
    config: dict[str, Any],
    inputs: Mapping[str, Sequence[Sequence[str]]] | None = None,
    phase: str = "",
    control: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> BaseOperator:
    """Make the operator that a phase names, if the deployment allows it, and record what it did."""
    allowed = str(conf.get("mlops", "allowed_operators", fallback="") or DEFAULT_ALLOWED_OPERATORS)
    operator_class = import_allowed(config["operator"], [part.strip() for part in allowed.split(",") if part.strip()])
    if not (isinstance(operator_class, type) and issubclass(operator_class, BaseOperator)):
        raise ConfigError(f"'{config['operator']}' is not an Airflow operator")
    arguments = dict(config.get("arguments", {}))
    try:
        operator: Any = _as_phase(operator_class)(**arguments, **kwargs, pre_execute=_admit, post_execute=_write_record)
    except TypeError as err:
        raise ConfigError(f"'{config['operator']}' cannot be made: {err}") from err
    operator.workflow = workflow
    operator.phase = phase or operator.task_id
    operator.phase_type = "operator"
    operator.inputs = dict(inputs or {})
    operator.take(control or {})
    return operator


@cache
def _as_phase(operator_class: type[BaseOperator]) -> type[BaseOperator]:
    """Give the class with the rendering of phases; Airflow shows it under its own name."""
    names = {"__module__": operator_class.__module__, "__doc__": operator_class.__doc__}
    metaclass: Any = type(operator_class)
    made: type[BaseOperator] = metaclass(operator_class.__name__, (PhaseRendering, operator_class), names)
    return made


def _admit(context: Context) -> None:
    admit(context["task"], context)


def _write_record(context: Context, result: Any = None) -> None:
    from mlops_provider.runtime.records import note

    operator: Any = context["task"]
    note(
        run_context(operator, context),
        started=context["ti"].start_date.isoformat(),
        summary="",
        config={"operator": f"{type(operator).__module__}.{type(operator).__name__}"},
        details={"returned": type(result).__name__},
    )
