"""The items of a repeated phase, where they are only known when the run goes on; and what became of them."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from mlops_provider.console.links import PhaseRecordLink
from mlops_provider.operators.admission import admit, leave_out
from mlops_provider.operators.phase import run_context
from mlops_provider.operators.rendering import PhaseRendering
from mlops_provider.operators.results import Skip, task_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

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
    """Say what became of the items of a repeated phase, on one page; fails only when none of them succeeded.

    `of` is the last phase of every item, `chain` all that are repeated for the same items, in order; `items` are
    they, or None where they are only known when the run goes on.
    """

    phase_type = "summary"
    operator_extra_links = (PhaseRecordLink(),)
    ui_color = "#eeeeee"

    def __init__(
        self,
        *,
        workflow: str,
        of: str,
        chain: Sequence[str] = (),
        items: Sequence[dict[str, Any]] | None = None,
        control: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.workflow = workflow
        self.of = of
        self.chain = chain
        self.items = items
        self.phase = self.task_id
        self.take(control or {})

    def execute(self, context: Context) -> dict[str, Any]:
        """Count the items by how they ended, publish the page and write the record."""
        admit(self, context)
        from mlops_provider.runtime.fleet.summary import publish_fleet, read_fleet
        from mlops_provider.runtime.records import note

        chain = list(self.chain) or [self.of]
        items, states = self._items(context), self._states(context, chain)
        run = run_context(self, context)
        fleet = read_fleet(run, chain, items, _by_item(items, states))
        counts = fleet.counts
        if set(counts) <= {"skipped"}:
            leave_out(context, Skip("when", f"every item of '{self.of}' was skipped"))
        uri = note(
            run,
            started=context["ti"].start_date.isoformat(),
            status="succeeded" if fleet.succeeded else "failed",
            summary=fleet.to_markdown(),
            config={"of": self.of, "chain": chain},
            outputs={"report": publish_fleet(run, fleet).to_dict()},
            metrics={"items": float(len(items)), "succeeded": float(fleet.succeeded), **_numbers(counts)},
            details={"metric": fleet.metric, "items": {member.label: member.status for member in fleet.members}},
        )
        self.log.info("%s\nrecord: %s", fleet.to_markdown(), uri)
        if not fleet.succeeded:
            said = ", ".join(f"{count} {status}" for status, count in counts.items())
            raise AirflowFailException(f"no item of '{self.of}' succeeded: {said}")
        return {"outputs": {}, "verdict": None, "record": uri}

    def _items(self, context: Context) -> list[dict[str, Any]]:
        if self.items is not None:
            return [dict(item) for item in self.items]
        found = context["ti"].xcom_pull(task_ids=f"{task_of(context, self.of)}.items")
        return [dict(item) for item in found or ()]

    def _states(self, context: Context, chain: list[str]) -> dict[str, str]:
        """Give the states of the tasks of all items, by task id and map index."""
        instance = context["ti"]
        tasks = [task_of(context, phase) for phase in chain]
        states = instance.get_task_states(instance.dag_id, task_ids=tasks, run_ids=[instance.run_id])
        return {str(name): str(state) for name, state in states.get(instance.run_id, {}).items()}


def _by_item(items: Sequence[dict[str, Any]], states: Mapping[str, str]) -> dict[str, list[str]]:
    """Give the states of an item's tasks by its label: the number after the task's name is its place in the list."""
    from mlops_provider.runtime.contract import item_label

    found: dict[str, list[str]] = {item_label(item): [] for item in items}
    labels = list(found)
    for name, state in states.items():
        index = name.rpartition("_")[2]
        if index.isdigit() and int(index) < len(labels):
            found[labels[int(index)]].append(state)
    return found


def _numbers(counts: Mapping[str, int]) -> dict[str, float]:
    """Give how many ended in which way; those that matter stand there although they are none."""
    return {name: float(counts.get(name, 0)) for name in ("passed", "blocked", "failed", "skipped")}
