"""Two versions of a workflow compared by meaning: what was written, not how."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from mlops_dag_factory.errors import Finding
from mlops_dag_factory.spec.resources import Resources
from mlops_dag_factory.spec.workflow import ancestors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.errors import Location
    from mlops_dag_factory.spec import Workflow


@dataclass(frozen=True, slots=True)
class Change:
    """One value that differs: where, how, and what it was and is."""

    path: str
    kind: Literal["added", "removed", "changed"]
    before: Any = None
    after: Any = None

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)


def differences(before: Workflow, after: Workflow) -> list[Change]:
    """Give all changes in the order of the newer version; what is written but a default is no change."""
    old, new = (_plain(workflow) for workflow in (before, after))
    return list(_compare((), old, new))


def touched_phases(before: Workflow, after: Workflow) -> list[str]:
    """Give the phases of the newer version whose work may turn out otherwise: the changed ones and all after them."""
    changed = {
        name
        for name, phase in after.phases.items()
        if name not in before.phases or before.phases[name].model_dump() != phase.model_dump()
    }
    graph = after.graph()
    return [name for name in after.phases if name in changed or changed & ancestors(graph, name)]


def _plain(workflow: Workflow) -> dict[str, Any]:
    data = workflow.model_dump(mode="json")
    usual = Resources().model_dump(mode="json")
    for phase in data["phases"].values():
        if phase["resources"] == usual:
            del phase["resources"]
    return {**data, "phases": {name: data["phases"][name] for name in workflow.phases}}


def _compare(loc: Location, before: Any, after: Any) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*after, *(key for key in before if key not in after)]:
            if key not in before:
                yield Change(_path((*loc, key)), "added", None, _written(after[key]))
            elif key not in after:
                yield Change(_path((*loc, key)), "removed", _written(before[key]), None)
            else:
                yield from _compare((*loc, key), before[key], after[key])
    elif before != after:
        yield Change(_path(loc), "changed", before, after)


def _written(value: Any) -> Any:
    """Give what of a new or a removed part says anything."""
    if isinstance(value, dict):
        return {key: inner for key, item in value.items() if (inner := _written(item)) not in (None, "", [], {})}
    return value


def _path(loc: Location) -> str:
    return Finding(loc=loc, code="", message="").path
