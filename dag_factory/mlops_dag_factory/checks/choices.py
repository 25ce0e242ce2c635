"""Presets, scenes, roles and notices name what exists."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from mlops_dag_factory.errors import Finding, suggestion
from mlops_dag_factory.spec.approve import ApproveSpec
from mlops_dag_factory.spec.checkpoint import CheckpointSpec
from mlops_dag_factory.spec.monitoring.actions import TodoAction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.checks.scope import Scope
    from mlops_dag_factory.errors import Location
    from mlops_dag_factory.spec.phase import NotifySpec


def check_presets(scope: Scope) -> Iterator[Finding]:
    """Yield values of presets for parameters that do not exist or do not allow them."""
    known = scope.workflow.parameters
    if "parameters" in scope.broken:
        return
    for preset, values in scope.workflow.presets.items():
        for name, value in values.items():
            loc: Location = ("presets", preset, name)
            if name not in known:
                if f"parameters.{name}" not in scope.broken:
                    yield _unknown(loc, "parameter", name, list(known), at="key")
            elif not known[name].accepts(value):
                message = f"{value!r} is not allowed for '{name}'"
                yield Finding(loc=loc, code="preset", message=message, hint=f"allowed: {known[name].allowed()}")
            elif known[name].ask:
                message = f"'{name}' is asked for: a preset cannot answer"
                yield Finding(loc=loc, code="preset", message=message, hint="leave it out, or set ask: false")


def check_scenes(scope: Scope) -> Iterator[Finding]:
    """Yield phases of scenes that do not exist."""
    if "phases" in scope.broken:
        return
    for scene, phases in scope.workflow.scenes.items():
        for index, name in enumerate(phases):
            if name not in scope.phase_names:
                yield _unknown(("scenes", scene, index), "phase", name, scope.phase_names)


def check_notices(scope: Scope) -> Iterator[Finding]:
    """Yield notices of phases that do not exist, and to roles that nobody can reach."""
    workflow = scope.workflow
    places: list[tuple[Location, NotifySpec, bool]] = [
        (("notify", index), spec, True) for index, spec in enumerate(workflow.notify)
    ]
    places += [(("defaults", "notify", index), spec, False) for index, spec in enumerate(workflow.defaults.notify)]
    for name, phase in workflow.phases.items():
        places += [(("phases", name, "notify", index), spec, False) for index, spec in enumerate(phase.notify)]
    for loc, spec, named in places:
        names = [*scope.phase_names, "monitor"]
        if named and "phases" not in scope.broken and not any(fnmatchcase(name, spec.phases) for name in names):
            yield _unknown((*loc, "on"), "phase", spec.phases, names)
        for index, target in enumerate(spec.to):
            if isinstance(target, str) and target.startswith("role:"):
                yield from _check_role(scope, (*loc, "to", index), target.removeprefix("role:"), reachable=True)
    monitor = workflow.monitor
    for index, target in enumerate(monitor.notify if monitor else ()):
        if isinstance(target, str) and target.startswith("role:"):
            yield from _check_role(scope, ("monitor", "notify", index), target.removeprefix("role:"), reachable=True)


def check_roles(scope: Scope) -> Iterator[Finding]:
    """Yield roles of approvals, overrides and to-dos that do not exist or that nobody has."""
    monitor = scope.workflow.monitor
    for index, action in enumerate(monitor.on_breach if monitor else ()):
        if isinstance(action, TodoAction) and action.todo.role:
            loc: Location = ("monitor", "on_breach", index, "todo")
            yield from _check_role(scope, loc, action.todo.role, reachable=False)
    for name, phase in scope.workflow.phases.items():
        if isinstance(phase, ApproveSpec):
            for index, role in enumerate(phase.roles):
                yield from _check_role(scope, ("phases", name, "roles", index), role, reachable=False)
            yield from _check_number(scope, name, phase)
        elif isinstance(phase, CheckpointSpec) and phase.override:
            for index, role in enumerate(phase.override.roles):
                yield from _check_role(scope, ("phases", name, "override", "roles", index), role, reachable=False)


def _check_number(scope: Scope, name: str, phase: ApproveSpec) -> Iterator[Finding]:
    """Yield an approval that needs more people than may decide."""
    roles = scope.workflow.roles
    if (phase.roles or phase.approvers) and all(role in roles for role in phase.roles):
        users = {*phase.approvers, *(user for role in phase.roles for user in roles[role].users)}
        if users and not isinstance(phase.approvals, str) and phase.approvals > len(users):
            message = f"{phase.approvals} approvals are needed, but {len(users)} may decide: {', '.join(sorted(users))}"
            loc: Location = ("phases", name, "approvals")
            yield Finding(
                loc=loc,
                code="role",
                message=message,
                hint="name more approvers, or ask for fewer; the author of a run does not count",
            )


def _check_role(scope: Scope, loc: Location, role: str, *, reachable: bool) -> Iterator[Finding]:
    roles = scope.workflow.roles
    if role not in roles:
        if not {"roles", f"roles.{role}"} & scope.broken:
            yield _unknown(loc, "role", role, list(roles))
    elif reachable and not (roles[role].notify or roles[role].links):
        message = f"nothing says how '{role}' is reached"
        yield Finding(loc=loc, code="role", message=message, hint=f"roles: {{{role}: {{notify: [<conn_id>]}}}}")
    elif not reachable and not roles[role].users:
        yield Finding(loc=loc, code="role", message=f"nobody has the role '{role}'", hint="name its users")


def _unknown(loc: Location, kind: str, name: str, known: list[str], **more: Any) -> Finding:
    hint = f"{suggestion(name, known)}{kind}s: {', '.join(known) or 'none are declared'}"
    return Finding(loc=loc, code=kind, message=f"there is no {kind} '{name}'", hint=hint, **more)
