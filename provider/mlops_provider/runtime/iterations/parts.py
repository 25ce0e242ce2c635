"""The parts of the rows on which the models of two runs err most, side by side."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.answers import Answers
from mlops_provider.runtime.iterations.crossed import evaluated
from mlops_provider.runtime.slices import find_slices

if TYPE_CHECKING:
    from collections.abc import Collection

    from mlops_provider.runtime.iterations.history import Run
    from mlops_provider.store.store import Store

_SHOWN = 5
_ROWS = 3


@dataclass(frozen=True, slots=True)
class WorstParts:
    """The worst slices of each run, the worst first, each as its search says it, with its worst rows."""

    earlier: list[dict[str, Any]] = field(default_factory=list)
    later: list[dict[str, Any]] = field(default_factory=list)

    def before(self, part: dict[str, Any]) -> dict[str, Any] | None:
        """Give the slice of the earlier run over the same columns, where it had one."""
        return next((each for each in self.earlier if each["text"] == part["text"]), None)

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {"earlier": self.earlier, "later": self.later}


def worst_parts(store: Store, earlier: Run, later: Run, phase: str) -> WorstParts:
    """Search the slices of both evaluations; columns that a validation calls personal are not shown in rows.

    MlopsError says why there is no search: a model or its rows are gone, or do not fit.
    """
    masked = {
        str(column)
        for run in (earlier, later)
        for record in run.of_type("validate")
        for column in record["config"].get("personal") or ()
    }
    return WorstParts(*(_of(store, run, phase, masked) for run in (earlier, later)))


def _of(store: Store, run: Run, phase: str, masked: Collection[str]) -> list[dict[str, Any]]:
    model, frame = evaluated(store, run.phases[phase])
    found = find_slices(Answers.of(model, frame), frame, "auto", masked=masked)
    parts = [part.to_dict() for part in found][:_SHOWN]
    return [{**part, "worst_rows": part["worst_rows"][:_ROWS]} for part in parts]
