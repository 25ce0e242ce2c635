"""References: what they name exists and is what the field takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_dag_factory.errors import Finding, suggestion
from mlops_dag_factory.spec.data import SplitSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.checks.scope import Reference, Scope
    from mlops_dag_factory.spec import PhaseSpec

_WORDS = {"dataset": "data", "model": "a model", "service": "a service", "report": "a report", "image": "an image"}


def check_references(scope: Scope) -> Iterator[Finding]:
    """Yield references to phases or outputs that do not exist, and those of the wrong kind."""
    if "phases" in scope.broken:
        return
    for name in scope.workflow.phases:
        for reference in scope.references(name):
            if reference.phase in scope.broken_phases:
                continue
            finding = _check_phase(scope, reference) or _check_output(scope, reference)
            if finding:
                yield finding


def _check_phase(scope: Scope, reference: Reference) -> Finding | None:
    if reference.phase in scope.workflow.phases:
        return None
    known = scope.phase_names
    hint = f"{suggestion(reference.phase, known)}phases: {', '.join(known)}"
    return _finding(reference, "reference", f"there is no phase '{reference.phase}'", hint)


def _check_output(scope: Scope, reference: Reference) -> Finding | None:
    phase = scope.workflow.phases[reference.phase]
    given = ", ".join(f"{reference.phase}.{output}" for output in phase.outputs)
    if not phase.outputs:
        message = f"'{reference.phase}' gives nothing that can be referred to"
        return _finding(reference, "reference", message, f"for the order alone write 'after: {reference.phase}'")
    if not reference.output and phase.default_output is None:
        message = f"'{reference.phase}' gives several outputs"
        return _finding(reference, "bare-reference", message, f"name one: {given}")
    if scope.produced(reference) is None:
        known = [f"{reference.phase}.{output}" for output in phase.outputs]
        hint = f"{suggestion(reference.text, known)}outputs: {given}"
        return _finding(reference, "reference", f"'{reference.phase}' has no output '{reference.output}'", hint)
    share_is_known = f"phases.{reference.phase}.validation" not in scope.broken
    return _check_kind(phase, reference) or (_check_empty(phase, reference) if share_is_known else None)


def _check_kind(phase: PhaseSpec, reference: Reference) -> Finding | None:
    kind = phase.outputs[reference.output or phase.default_output or ""]
    if kind in reference.kinds:
        return None
    wanted = " or ".join(_WORDS.get(kind, kind) for kind in reference.kinds)
    fitting = [f"{reference.phase}.{output}" for output, kind in phase.outputs.items() if kind in reference.kinds]
    message = f"'{reference.text}' is {_WORDS.get(kind, kind)}, {wanted} is needed here"
    return _finding(reference, "kind", message, f"{', '.join(fitting)} would fit" if fitting else "")


def _check_empty(phase: PhaseSpec, reference: Reference) -> Finding | None:
    if isinstance(phase, SplitSpec) and reference.output == "validation" and phase.validation == 0:
        message = f"'{reference.text}' has no rows"
        return _finding(reference, "empty-output", message, f"give '{reference.phase}' a share: validation: 0.2")
    return None


def _finding(reference: Reference, code: str, message: str, hint: str) -> Finding:
    return Finding(loc=reference.loc, code=code, message=message, hint=hint)
