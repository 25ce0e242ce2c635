"""Repeated phases (`foreach`): what may be repeated, and who takes what of which item."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from mlops_dag_factory.errors import Finding
from mlops_dag_factory.spec.base import is_template
from mlops_dag_factory.spec.deploy import DeploySpec
from mlops_dag_factory.spec.release import ReleaseSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.checks.scope import Mention, Scope
    from mlops_dag_factory.errors import Location
    from mlops_dag_factory.spec import PhaseSpec

MAX_ITEMS = 1000


def check_repetition(scope: Scope) -> Iterator[Finding]:
    """Yield phases that cannot be repeated so, and references that mix up items and phases."""
    for name, phase in scope.workflow.phases.items():
        if phase.foreach:
            yield from _check_items(name, phase)
        for mention in scope.references(name):
            other = scope.workflow.phases.get(mention.phase)
            if other is not None:
                finding = _check_mention(phase, other, mention)
                if finding:
                    yield finding


def _check_items(name: str, phase: PhaseSpec) -> Iterator[Finding]:
    loc: Location = ("phases", name, "foreach")
    if not phase.in_worker:
        hint = "repeat the phases before it, and collect them with phase[*]"
        yield Finding(loc=loc, code="foreach", message=f"a phase of type '{phase.type}' cannot be repeated", hint=hint)
    lists = {key: values for key, values in phase.foreach.items() if isinstance(values, list)}
    for key, values in lists.items():
        if not values:
            yield Finding(loc=(*loc, key), code="foreach", message="the list is empty: nothing would run")
        texts = [str(value) for value in values]
        if twice := next((text for text in texts if texts.count(text) > 1), None):
            yield Finding(loc=(*loc, key), code="foreach", message=f"'{twice}' stands in the list twice")
    count = prod(len(values) for values in lists.values())
    if count > MAX_ITEMS:
        message = f"{count:,} items are more than the {MAX_ITEMS:,} that Airflow maps"
        yield Finding(loc=loc, code="foreach", message=message, hint="repeat a workflow phase, or use fewer values")
    if isinstance(phase, DeploySpec | ReleaseSpec) and "item." not in phase.environment:
        message = "every item would go to the same service"
        hint = "give each an environment of its own, as in environment: 'production-{{ item.region }}'"
        yield Finding(loc=("phases", name, "foreach"), code="foreach", message=message, hint=hint)


def _check_mention(phase: PhaseSpec, other: PhaseSpec, mention: Mention) -> Finding | None:
    if mention.collects and not other.foreach:
        message = f"'{mention.phase}' is not repeated: there are no items to collect"
        return _finding(mention, message, f"write {mention.text.removesuffix('[*]')}")
    if mention.collects and not mention.many:
        message = f"'{mention.text}' is many, and this takes one"
        return _finding(mention, message, "repeat this phase with the same foreach, or collect in a transform")
    if other.foreach and not mention.collects and other.foreach != phase.foreach:
        keys = ", ".join(other.foreach)
        hint = f"write {mention.text}[*] where all items are meant, or give this phase the same foreach ({keys})"
        return _finding(mention, f"'{mention.phase}' is repeated: which item is meant?", hint)
    return None


def _finding(mention: Mention, message: str, hint: str) -> Finding:
    return Finding(loc=mention.loc, code="foreach", message=message, hint=hint)


def check_items_used(scope: Scope) -> Iterator[Finding]:
    """Yield names of items in templates and conditions of phases that are not repeated over them."""
    from mlops_dag_factory.checks.templates import names_in

    for loc, text in scope.texts:
        phase = scope.workflow.phases.get(str(loc[1])) if loc[0] == "phases" else None
        for root, name in sorted(names_in(text)):
            if root == "item" and (phase is None or name not in phase.foreach):
                known = ", ".join(phase.foreach) if phase and phase.foreach else "this phase has no foreach"
                yield Finding(loc=loc, code="foreach", message=f"there is no item.{name}", hint=f"known: {known}")
    for name, phase in scope.workflow.phases.items():
        for key, values in phase.foreach.items():
            for root, parameter in sorted(names_in(values)) if isinstance(values, str) and is_template(values) else ():
                if root in {"params", "parameters"} and parameter not in scope.workflow.parameters:
                    loc = ("phases", name, "foreach", key)
                    known = ", ".join(scope.workflow.parameters) or "none are declared"
                    message = f"there is no parameter '{parameter}'"
                    yield Finding(loc=loc, code="parameter", message=message, hint=f"parameters: {known}")
