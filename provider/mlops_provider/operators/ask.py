"""Ask people for parameters when a run reaches the first phase that uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError

from mlops_provider.console.links import PhaseRecordLink
from mlops_provider.operators.admission import admit
from mlops_provider.operators.phase import run_context
from mlops_provider.operators.rendering import PhaseRendering

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    from airflow.sdk import Context

GO_ON = "Go on"


class AskParametersOperator(PhaseRendering, HITLOperator):
    """Show a form and wait without a worker; give the values, checked.

    `schemas` maps parameters to their JSON Schema, with the default where there is one. Values that the run was
    started with are not asked for. Without an answer in time the defaults are taken, or the task fails where one has
    none. `answer` answers in this process instead, for runs without a server.
    """

    operator_extra_links = (PhaseRecordLink(),)
    phase_type = "ask"
    ui_color = "#f3dfe6"

    def __init__(
        self,
        *,
        workflow: str,
        schemas: Mapping[str, dict[str, Any]],
        timeout: timedelta,
        control: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        names = ", ".join(schemas)
        form = "\n\n".join(_line(name, schema) for name, schema in schemas.items())
        everything = all("default" in schema for schema in schemas.values())
        kwargs["params"] = {name: _param(schema) for name, schema in schemas.items()}  # instead of the DAG's
        super().__init__(
            subject=f"{workflow}: {names}?",
            body=form,
            options=[GO_ON],
            defaults=GO_ON if everything else None,
            response_timeout=timeout,
            **kwargs,
        )
        self.workflow = workflow
        self.schemas = dict(schemas)
        self.phase = self.task_id
        self.take(control or {})
        self.answer: Callable[[str, Mapping[str, dict[str, Any]]], dict[str, Any]] | None = None

    def execute(self, context: Context) -> Any:
        """Ask, unless the run was started with all values."""
        admit(self, context)
        given = dict(context["dag_run"].conf or {})
        if all(name in given for name in self.schemas):
            return self._finish(context, {name: given[name] for name in self.schemas}, "the start of the run")
        if self.answer is not None:
            return self._finish(context, self.answer(self.subject, self.schemas), "the terminal")
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Check the answer; a value that is not allowed is asked for again, with the reason in the task's log.

        Airflow 3.3 keeps the text of a question as it was first asked.
        """
        if "error" in event:
            missing = ", ".join(name for name, schema in self.schemas.items() if "default" not in schema)
            raise AirflowFailException(f"nobody answered in time, and {missing} has no default: {event['error']}")
        defaults = {name: schema.get("default") for name, schema in self.schemas.items()}
        values = {**defaults, **(event["params_input"] or {})}
        if wrong := self._wrong(values):
            self.log.warning("the answer was not taken: %s", wrong)
            return super().execute(context)
        user = event["responded_by_user"]
        by = user["name"] if user else "the default: nobody answered in time"
        return self._finish(context, values, by, user=user["name"] if user else "")

    def _wrong(self, values: Mapping[str, Any]) -> str:
        found = []
        for name, value in values.items():
            schema = self.schemas.get(name)
            if schema is None:
                found.append(f"there is no parameter '{name}'")
                continue
            try:
                _param({**schema, "default": value}).resolve()
            except ParamValidationError as err:
                found.append(f"{name}: {str(err).splitlines()[0]}")
        return "; ".join(found)

    def _finish(self, context: Context, values: dict[str, Any], by: str, *, user: str = "") -> dict[str, Any]:
        from mlops_provider.runtime.records import note

        if wrong := self._wrong(values):
            raise AirflowFailException(f"these values are not allowed: {wrong}")
        said = ", ".join(f"{name} = {value}" for name, value in values.items())
        uri = note(
            run_context(self, context),
            started=context["ti"].start_date.isoformat(),
            summary=f"{said}; from {by}.",
            config={"asked": list(self.schemas)},
            details={"values": values, "by": by, "user": user},
        )
        return {"outputs": {}, "verdict": None, "record": uri, "values": values}


def _param(schema: Mapping[str, Any]) -> Param:
    rest = {key: value for key, value in schema.items() if key != "default"}
    return Param(schema["default"], source="task", **rest) if "default" in schema else Param(source="task", **rest)


def _line(name: str, schema: Mapping[str, Any]) -> str:
    return f"**{name}**: {schema.get('description') or 'a value for this run'}"
