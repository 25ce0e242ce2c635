"""Names of phases that would mean something else in templates and expressions."""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING

from mlops_dag_factory.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.checks.scope import Scope

RESERVED = frozenset({"params", "parameters", "phases", "champion", "item"})


def check_names(scope: Scope) -> Iterator[Finding]:
    """Yield phases with a name that templates or expressions use otherwise."""
    for part in ("phases", "parameters"):
        for name in getattr(scope.workflow, part):
            if name in RESERVED or keyword.iskeyword(name):
                message = f"the name '{name}' has a meaning of its own in templates and expressions"
                yield Finding(loc=(part, name), code="reserved-name", message=message, hint="take another", at="key")
