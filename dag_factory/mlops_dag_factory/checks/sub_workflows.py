"""Sub-workflows: they get the parameters that they have, and give what they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_dag_factory.errors import Finding, suggestion
from mlops_dag_factory.spec.base import is_template
from mlops_dag_factory.spec.sub_workflow import SubWorkflowSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.checks.scope import Scope
    from mlops_dag_factory.errors import Location
    from mlops_dag_factory.spec import Workflow


def check_sub_workflows(scope: Scope) -> Iterator[Finding]:
    """Yield sub-workflows that cannot run as they are written."""
    for name, phase in scope.workflow.phases.items():
        if not isinstance(phase, SubWorkflowSpec):
            continue
        loc: Location = ("phases", name)
        if phase.workflow == scope.workflow.workflow:
            yield Finding(loc=(*loc, "workflow"), code="sub-workflow", message="a workflow cannot run itself")
        if phase.inline:
            for field in ("when", "foreach", "group"):
                if getattr(phase, field):
                    hint = "let it be a run of its own (inline: false), or write it at its phases"
                    message = f"'{field}' does not go with inline: true"
                    yield Finding(loc=(*loc, field), code="sub-workflow", message=message, hint=hint)
        if phase.definition is not None:
            yield from _check_parameters(loc, phase, phase.definition)
    yield from _check_outputs(scope)


def _check_parameters(loc: Location, phase: SubWorkflowSpec, inner: Workflow) -> Iterator[Finding]:
    known = inner.parameters
    for name, value in phase.parameters.items():
        here = (*loc, "parameters", name)
        if name not in known:
            hint = f"{suggestion(name, known)}parameters: {', '.join(known) or 'none are declared'}"
            message = f"'{phase.workflow}' has no parameter '{name}'"
            yield Finding(loc=here, code="parameter", message=message, hint=hint, at="key")
        elif not is_template(value) and not known[name].accepts(value):
            message = f"{value!r} is not allowed for '{name}' of '{phase.workflow}'"
            yield Finding(loc=here, code="parameter", message=message, hint=f"allowed: {known[name].allowed()}")
    for name, spec in known.items():
        if name not in phase.parameters and (spec.required or (spec.ask and phase.inline and spec.default is None)):
            message = f"'{phase.workflow}' needs a value for '{name}'"
            hint = f"parameters: {{{name}: …}}"
            yield Finding(loc=loc, code="parameter", message=message, hint=hint, at="key")


def _check_outputs(scope: Scope) -> Iterator[Finding]:
    for name in scope.workflow.phases:
        for mention in scope.references(name):
            phase = scope.workflow.phases.get(mention.phase)
            if not isinstance(phase, SubWorkflowSpec):
                continue
            if not mention.output:
                known = (
                    ", ".join(f"{mention.phase}.{inner}" for inner in phase.definition.phases)
                    if phase.definition
                    else ""
                )
                hint = f"name a phase of it: {known or f'{mention.phase}.<phase>'}"
                message = f"'{mention.phase}' is a workflow of several phases"
                yield Finding(loc=mention.loc, code="bare-reference", message=message, hint=hint)
            elif not phase.inline and not phase.wait:
                message = f"'{mention.phase}' is not waited for: it gives nothing"
                yield Finding(loc=mention.loc, code="sub-workflow", message=message, hint="leave out wait: false")
