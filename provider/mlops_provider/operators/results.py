"""What the phases before a task gave, or why they gave nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError

if TYPE_CHECKING:
    from airflow.sdk import Context

SKIPPED = "skipped"
"""Key of the XCom in which a phase that is skipped says why."""
TOLERATED = frozenset({"when", "scene"})
"""Reasons for which what depends on several phases goes on with the others."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a phase did not run: `reason` is when, scene, blocked, item or superseded; `why` is a sentence."""

    reason: str
    why: str

    def to_dict(self) -> dict[str, str]:
        """Give the JSON form, as it stands in XCom."""
        return {"reason": self.reason, "why": self.why}


class Results:
    """The results of a run's phases, read when they are asked for; phases of the own task are in `own`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.own: dict[str, dict[str, Any] | Skip] = {}

    def find(self, phase: str, index: int | None = None) -> dict[str, Any] | Skip | None:
        """Give what a phase returned (of one item, where it is repeated), why it was skipped, or None."""
        if phase in self.own:
            return self.own[phase]
        task_id = task_of(self._context, phase)
        value = self._pull(task_id, index)
        if task_id != phase and isinstance(value, Mapping):
            value = value.get("phases", {}).get(phase)
            if isinstance(value, Mapping) and SKIPPED in value:
                return Skip(**value[SKIPPED])
        if isinstance(value, Mapping) and "record" in value:
            return dict(value)
        said = self._pull(task_id, index, key=SKIPPED)
        return Skip(**said) if isinstance(said, Mapping) else None

    def get(self, phase: str, index: int | None = None) -> dict[str, Any]:
        """Give what a phase returned; ConfigError when it returned no references."""
        found = self.find(phase, index)
        if isinstance(found, dict):
            return found
        hint = found.why if isinstance(found, Skip) else "was it skipped, or is it not a phase of this workflow?"
        raise ConfigError(f"phase '{phase}' gave no references", hint=hint)

    def _pull(self, task_id: str, index: int | None, **key: str) -> Any:
        if index is None:
            return self._context["ti"].xcom_pull(task_ids=task_id, **key)
        return self._context["ti"].xcom_pull(task_ids=task_id, map_indexes=index, **key)


def task_of(context: Context, phase: str) -> str:
    """Give the id of the task that a phase runs in: its own name, or the group's."""
    dag = context["dag"]
    if phase in dag.task_dict:
        return phase
    return next((task.task_id for task in dag.tasks if phase in getattr(task, "members", ())), phase)


def results_of(context: Context) -> Results:
    """Give the results of the run that a task belongs to; the same object within one task."""
    scope: Any = context
    if "mlops_results" not in scope:
        scope["mlops_results"] = Results(context)
    found: Results = scope["mlops_results"]
    return found
