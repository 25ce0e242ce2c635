"""Templates: Jinja that parses and names parameters and phases that exist."""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_dag_factory.errors import Finding, suggestion
from mlops_dag_factory.spec.base import is_template
from mlops_provider.exceptions import ExpressionError
from mlops_provider.expressions import Expression

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.checks.scope import Scope
    from mlops_dag_factory.errors import Location

_PARAMETERS = ("params", "parameters")


class Parsed(NamedTuple):
    """What a template reads: pairs of a name and the first name below it; or why it does not parse."""

    names: frozenset[tuple[str, str]]
    error: str = ""


def check_templates(scope: Scope) -> Iterator[Finding]:
    """Yield Jinja that does not parse, and unknown parameters and phases in it."""
    for loc, text in scope.texts:
        parsed = _parse(text)
        if parsed.error:
            hint = "write an expression as {{ params.name }}"
            yield Finding(loc=loc, code="jinja", message=f"the template does not parse: {parsed.error}", hint=hint)
        for root, name in sorted(parsed.names):
            if root in _PARAMETERS:
                yield from _check_parameter(scope, loc, name)
            elif root == "phases":
                yield from _check_phase(scope, loc, name)


def check_unused_parameters(scope: Scope) -> Iterator[Finding]:
    """Yield parameters that no template and no expression reads."""
    if scope.broken:
        return
    texts = [text for _, text in scope.texts]
    texts += [
        values
        for phase in scope.workflow.phases.values()
        for values in phase.foreach.values()
        if isinstance(values, str)
    ]
    used = {name for text in texts for root, name in _parse(text).names if root in _PARAMETERS}
    for name in scope.workflow.parameters:
        if name not in used:
            hint = f"write {{{{ params.{name} }}}} where its value belongs, or remove it"
            message = f"the parameter '{name}' is never used"
            loc = ("parameters", name)
            yield Finding(loc=loc, code="unused-parameter", message=message, hint=hint, severity="warning", at="key")


def names_in(text: str) -> frozenset[tuple[str, str]]:
    """Give what a template or an expression reads: pairs of a name and the first name below it."""
    return _parse(text).names


def _check_parameter(scope: Scope, loc: Location, name: str) -> Iterator[Finding]:
    known = scope.workflow.parameters
    if name not in known and not {"parameters", f"parameters.{name}"} & scope.broken:
        hint = f"{suggestion(name, known)}parameters: {', '.join(known) or 'none are declared'}"
        yield Finding(loc=loc, code="parameter", message=f"there is no parameter '{name}'", hint=hint)


def _check_phase(scope: Scope, loc: Location, name: str) -> Iterator[Finding]:
    known = scope.phase_names
    if name not in known:
        hint = f"{suggestion(name, known)}phases: {', '.join(known)}"
        yield Finding(loc=loc, code="reference", message=f"there is no phase '{name}'", hint=hint)
    elif loc[0] == "phases" and scope.whole and name not in scope.ancestors(str(loc[1])):
        message = f"'{name}' may not have run when this is rendered"
        yield Finding(loc=loc, code="template-order", message=message, hint=f"add 'after: {name}' to this phase")


@lru_cache(maxsize=4096)
def _parse(text: str) -> Parsed:
    if not is_template(text):
        return _parse_expression(text)
    import jinja2

    try:
        tree = _environment().parse(text)
        return Parsed(frozenset(_names(tree)))
    except jinja2.TemplateSyntaxError as err:
        message = str(err.message).rstrip(".")
        return Parsed(frozenset(), message[:1].lower() + message[1:])
    except RecursionError:
        return Parsed(frozenset(), "it is nested too deeply")


@lru_cache(maxsize=1)
def _environment() -> Any:
    import jinja2

    return jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=True)  # only parses


def _names(tree: Any) -> Iterator[tuple[str, str]]:
    from jinja2 import nodes

    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        if isinstance(node.node, nodes.Name):
            name = node.attr if isinstance(node, nodes.Getattr) else getattr(node.arg, "value", None)
            if isinstance(name, str):
                yield node.node.name, name


def _parse_expression(text: str) -> Parsed:
    try:
        tree = Expression.parse(text).tree
    except ExpressionError:
        return Parsed(frozenset())
    pairs = (
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    )
    return Parsed(frozenset(pairs))
