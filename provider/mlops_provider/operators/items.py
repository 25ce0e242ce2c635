"""The items of a repeated phase, where they are only known when the run goes on; and what became of them."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from mlops_provider.operators.admission import admit, leave_out
from mlops_provider.operators.phase import run_context
from mlops_provider.operators.rendering import PhaseRendering
from mlops_provider.operators.results import Skip, task_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from airflow.sdk import Context

MAX_ITEMS = 1000


def items_of(values: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """Give every combination of some values, in their order."""
    return [dict(zip(values, combination, strict=True)) for combination in product(*values.values())]


class ListItemsOperator(PhaseRendering, BaseOperator):
    """Render the lists of a `foreach` and give its items."""

    template_fields: Collection[str] = ("values",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"values": "yaml"}
    phase_type = "items"
    ui_color = "#eeeeee"

    def __init__(self, *, values: dict[str, Any], control: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.values = values
        self.phase = self.task_id
        self.take(control or {})

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Give the items; terminal errors name what is no list, empty or too long."""
        admit(self, context)
        for name, value in self.values.items():
            if not isinstance(value, list | tuple):
                raise AirflowFailException(f"foreach.{name} is not a list: {str(value)[:60]!r}")
        items = items_of({name: list(value) for name, value in self.values.items()})
        if not 0 < len(items) <= MAX_ITEMS:
            raise AirflowFailException(f"foreach gives {len(items)} items; 1 to {MAX_ITEMS} are allowed")
        return items


class SummarizeItemsOperator(PhaseRendering, BaseOperator):
    """Say what became of the items of a repeated phase; fails only when none of them succeeded."""

    phase_type = "summary"
    ui_color = "#eeeeee"

    def __init__(self, *, workflow: str, of: str, control: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.workflow = workflow
        self.of = of
        self.phase = self.task_id
        self.take(control or {})

    def execute(self, context: Context) -> dict[str, Any]:
        """Count the items by state and write the record."""
        admit(self, context)
        from mlops_provider.runtime.records import note

        instance = context["ti"]
        task_id = task_of(context, self.of)
        values = instance.xcom_pull(task_ids=task_id)
        returned = [value for value in (values if isinstance(values, list) else [values]) if value]
        states = instance.get_task_states(instance.dag_id, task_ids=[task_id], run_ids=[instance.run_id])
        found = dict(sorted(states.get(instance.run_id, {}).items()))
        counts = Counter(str(state) for state in found.values())
        said = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
        if set(counts) <= {"skipped"}:
            leave_out(context, Skip("when", f"every item of '{self.of}' was skipped"))
        summary = f"{self.of}: {len(returned)} of {len(found)} items succeeded ({said})."
        uri = note(
            run_context(self, context),
            started=instance.start_date.isoformat(),
            status="succeeded" if returned else "failed",
            summary=summary,
            config={"of": self.of},
            metrics={"items": float(len(found)), "succeeded": float(len(returned))},
            details={"states": found, "records": [value["record"] for value in returned]},
        )
        self.log.info("%s", summary)
        if not returned:
            raise AirflowFailException(f"no item of '{self.of}' succeeded: {said}")
        return {"outputs": {}, "verdict": None, "record": uri}
