"""References: what they name exists and is what the field takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_dag_factory.errors import Finding, suggestion
from mlops_dag_factory.spec.data import SplitSpec
from mlops_dag_factory.spec.sub_workflow import SubWorkflowSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.checks.scope import Mention, Scope
    from mlops_dag_factory.spec import PhaseSpec

_WORDS = {"dataset": "data", "model": "a model", "service": "a service", "report": "a report", "image": "an image"}


def check_references(scope: Scope) -> Iterator[Finding]:
    """Yield references to phases or outputs that do not exist, and those of the wrong kind."""
    if "phases" in scope.broken:
        return
    for name in scope.workflow.phases:
        for mention in scope.references(name):
            if mention.phase in scope.broken_phases:
                continue
            finding = _check_phase(scope, mention) or _check_output(scope, mention)
            if finding:
                yield finding


def _check_phase(scope: Scope, mention: Mention) -> Finding | None:
    if mention.phase in scope.workflow.phases:
        return None
    known = scope.phase_names
    hint = f"{suggestion(mention.phase, known)}phases: {', '.join(known)}"
    return _finding(mention, "reference", f"there is no phase '{mention.phase}'", hint)


def _check_output(scope: Scope, mention: Mention) -> Finding | None:
    phase = scope.workflow.phases[mention.phase]
    if isinstance(phase, SubWorkflowSpec) and not mention.output:
        return None  # the rules for sub-workflows speak of it
    inner = phase.definition.phases if isinstance(phase, SubWorkflowSpec) and phase.definition else phase.outputs
    given = ", ".join(f"{mention.phase}.{output}" for output in inner)
    kind = phase.output_kind(mention.output)
    if kind is None and not phase.outputs and not mention.output:
        message = f"'{mention.phase}' gives nothing that can be referred to"
        return _finding(mention, "reference", message, f"for the order alone write 'after: {mention.phase}'")
    if kind is None and not mention.output:
        message = f"'{mention.phase}' gives several outputs"
        return _finding(mention, "bare-reference", message, f"name one: {given}")
    if kind is None:
        known = [f"{mention.phase}.{output}" for output in inner]
        hint = f"{suggestion(mention.text, known)}outputs: {given or 'none'}"
        return _finding(mention, "reference", f"'{mention.phase}' has no output '{mention.output}'", hint)
    share_is_known = f"phases.{mention.phase}.validation" not in scope.broken
    return _check_kind(phase, kind, mention) or (_check_empty(phase, mention) if share_is_known else None)


def _check_kind(phase: PhaseSpec, kind: str, mention: Mention) -> Finding | None:
    if not kind or kind in mention.kinds:
        return None  # the kind of some outputs is only known when they are there
    wanted = " or ".join(_WORDS.get(kind, kind) for kind in mention.kinds)
    fitting = [f"{mention.phase}.{output}" for output, kind in phase.outputs.items() if kind in mention.kinds]
    message = f"'{mention.text}' is {_WORDS.get(kind, kind)}, {wanted} is needed here"
    return _finding(mention, "kind", message, f"{', '.join(fitting)} would fit" if fitting else "")


def _check_empty(phase: PhaseSpec, mention: Mention) -> Finding | None:
    if isinstance(phase, SplitSpec) and mention.output == "validation" and phase.validation == 0:
        message = f"'{mention.text}' has no rows"
        return _finding(mention, "empty-output", message, f"give '{mention.phase}' a share: validation: 0.2")
    return None


def _finding(mention: Mention, code: str, message: str, hint: str) -> Finding:
    return Finding(loc=mention.loc, code=code, message=message, hint=hint)
