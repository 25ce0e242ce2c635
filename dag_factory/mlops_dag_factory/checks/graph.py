"""The order of phases: `after` and `evidence` name phases, and nothing waits for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_dag_factory.errors import Finding, suggestion
from mlops_dag_factory.spec.approve import ApproveSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.checks.scope import Scope
    from mlops_dag_factory.errors import Location


def check_order(scope: Scope) -> Iterator[Finding]:
    """Yield names in `after` and `evidence` that are no phases."""
    known = scope.phase_names
    for name, phase in scope.workflow.phases.items():
        fields = {"after": phase.after, "evidence": phase.evidence if isinstance(phase, ApproveSpec) else []}
        for field, others in fields.items():
            for index, other in enumerate(others):
                if other not in known and "phases" not in scope.broken:
                    hint = f"{suggestion(other, known)}phases: {', '.join(known)}"
                    loc = ("phases", name, field, index)
                    yield Finding(loc=loc, code="order", message=f"there is no phase '{other}'", hint=hint)


def check_cycles(scope: Scope) -> Iterator[Finding]:
    """Yield each cycle once, at the phase of it that stands first in the file."""
    order = {name: index for index, name in enumerate(scope.workflow.phases)}
    upstream = scope.graph
    for cycle in _cycles(upstream):
        first = min(range(len(cycle)), key=lambda index: order[cycle[index]])
        around = [*cycle[first:], *cycle[:first]]
        loc: Location = ("phases", around[0])
        if len(around) == 1:
            message, hint = "waits for itself", "a phase refers to phases before it"
        else:
            message = f"phases wait for each other: {' -> '.join([*around, around[0]])}"
            hint = "remove one of these references; a loop over time goes through an asset or the monitor"
        yield Finding(loc=loc, code="cycle", message=message, hint=hint, at="key")


def _cycles(upstream: dict[str, list[str]]) -> Iterator[list[str]]:
    """Give the cycles that a depth-first walk closes; without recursion, so that long chains are no problem."""
    done: set[str] = set()
    for root in upstream:
        path: list[str] = []
        stack: list[tuple[str, bool]] = [(root, False)]
        while stack:
            name, leaving = stack.pop()
            if leaving:
                done.add(path.pop())
            elif name in path:
                yield path[path.index(name) :]
            elif name not in done:
                path.append(name)
                stack.append((name, True))
                stack.extend((other, False) for other in reversed(upstream[name]))
