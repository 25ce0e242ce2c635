"""Conditions (`when`): they read what is known when a phase is about to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_dag_factory.errors import Finding, suggestion
from mlops_provider.expressions import Expression

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.checks.scope import Scope
    from mlops_dag_factory.errors import Location

_READ = "parameters.<name>, phases.<phase>.metrics.<name>, phases.<phase>.verdict, item.<key>"
_ROOTS = ("parameters", "phases", "item")
_MEMBERS = ("metrics", "verdict", "outputs")


def check_conditions(scope: Scope) -> Iterator[Finding]:
    """Yield names in `when` that mean nothing there."""
    for name, phase in scope.workflow.phases.items():
        if not phase.when:
            continue
        loc: Location = ("phases", name, "when")
        for dotted in Expression.parse(phase.when).names():
            root, *rest = dotted.split(".")
            if root not in _ROOTS:
                hint = f"a condition reads {_READ}"
                yield Finding(loc=loc, code="when", message=f"'{dotted}' means nothing in a condition", hint=hint)
            elif root == "phases" and rest and rest[0] not in scope.phase_names:
                hint = f"{suggestion(rest[0], scope.phase_names)}phases: {', '.join(scope.phase_names)}"
                yield Finding(loc=loc, code="reference", message=f"there is no phase '{rest[0]}'", hint=hint)
            elif root == "phases" and (len(rest) < 2 or rest[1] not in _MEMBERS):  # noqa: PLR2004 (phase and member)
                hint = "write phases.<phase>.metrics.<name> or phases.<phase>.verdict"
                yield Finding(loc=loc, code="when", message=f"'{dotted}' is not a value", hint=hint)
