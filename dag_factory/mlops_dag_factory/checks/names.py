"""Names of phases that would mean something else in templates and expressions."""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING

from mlops_dag_factory.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.checks.scope import Scope

RESERVED = frozenset({"params", "parameters", "phases", "champion", "item"})


CHOICES = {"preset": "presets", "scene": "scenes", "scene_run": "scenes"}
"""Names of the fields that choose in the trigger form -> what they come with."""


def check_names(scope: Scope) -> Iterator[Finding]:
    """Yield phases with a name that templates or expressions use otherwise."""
    for part in ("phases", "parameters"):
        for name in getattr(scope.workflow, part):
            if name in RESERVED or keyword.iskeyword(name):
                message = f"the name '{name}' has a meaning of its own in templates and expressions"
                yield Finding(loc=(part, name), code="reserved-name", message=message, hint="take another", at="key")
    for name in scope.workflow.parameters:
        if name in CHOICES and getattr(scope.workflow, CHOICES[name]):
            message = f"the name '{name}' is the form's own, where there are {CHOICES[name]}"
            loc = ("parameters", name)
            yield Finding(loc=loc, code="reserved-name", message=message, hint="take another", at="key")
    for part in ("presets", "scenes"):
        if "none" in getattr(scope.workflow, part):
            message = "'none' is what the form shows where nothing is chosen"
            loc = (part, "none")
            yield Finding(loc=loc, code="reserved-name", message=message, hint="take another name", at="key")
