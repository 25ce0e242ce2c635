"""Groups: phases that share a task can, and nothing outside stands between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_dag_factory.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.checks.scope import Scope


def check_groups(scope: Scope) -> Iterator[Finding]:
    """Yield phases that cannot share a task, names that are taken, and groups that would wait for themselves."""
    phases = scope.workflow.phases
    groups: dict[str, list[str]] = {}
    for name, phase in phases.items():
        if phase.group:
            groups.setdefault(phase.group, []).append(name)
    for group, members in groups.items():
        for name in members:
            loc = ("phases", name, "group")
            if not phases[name].in_worker:
                message = f"a phase of type '{phases[name].type}' needs a task of its own"
                yield Finding(loc=loc, code="group", message=message, hint="leave out its group")
            elif phases[name].foreach:
                message = "a repeated phase has a task for each item"
                yield Finding(loc=loc, code="group", message=message, hint="leave out its group or its foreach")
        if group in phases:
            loc = ("phases", members[0], "group")
            message = f"'{group}' is the name of a phase"
            yield Finding(loc=loc, code="group", message=message, hint="the group is a task of its own: rename it")
        if scope.whole and (between := _between(scope, members)):
            loc = ("phases", members[-1], "group")
            message = (
                f"'{between}' comes after one phase of the group and before another: the task would wait for itself"
            )
            hint = f"put '{between}' into the group too, or take one of these phases out"
            yield Finding(loc=loc, code="group", message=message, hint=hint)


def _between(scope: Scope, members: list[str]) -> str | None:
    inside = set(members)
    before = {name: scope.ancestors(name) for name in members}
    for name in members:
        for other in sorted(before[name] - inside):
            if scope.ancestors(other) & inside:
                return other
    return None
