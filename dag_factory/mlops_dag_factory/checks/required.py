"""What a profile or a workflow requires before a release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_dag_factory.errors import Finding
from mlops_dag_factory.spec.approve import ApproveSpec
from mlops_dag_factory.spec.evaluate import EvaluateSpec
from mlops_dag_factory.spec.release import ReleaseSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.checks.scope import Scope
    from mlops_dag_factory.spec import PhaseSpec


def check_required(scope: Scope) -> Iterator[Finding]:
    """Yield releases without what is required before them."""
    workflow = scope.workflow
    if not workflow.requires or not scope.whole:
        return
    if "monitor" in workflow.requires and workflow.monitor is None:
        hint = "add 'monitor:', or leave it out of 'requires'"
        yield Finding(loc=("requires",), code="required", message="a monitor is required, and there is none", hint=hint)
    for name, phase in workflow.phases.items():
        if not isinstance(phase, ReleaseSpec):
            continue
        before = [workflow.phases[other] for other in scope.ancestors(name)]
        for wanted, what, hint in (
            ("approval", "an approval", "add a phase {type: approve} and let the release come after it"),
            ("gates", "an evaluation with gates", "give the evaluation gates, and let the release come after it"),
        ):
            if wanted in workflow.requires and not any(_gives(other, wanted) for other in before):
                message = f"{what} is required before a release, and none comes before this one"
                yield Finding(loc=("phases", name), code="required", message=message, hint=hint, at="key")


def _gives(phase: PhaseSpec, wanted: str) -> bool:
    if phase.when:
        return False  # it may be left out
    if wanted == "approval":
        return isinstance(phase, ApproveSpec)
    return isinstance(phase, EvaluateSpec) and bool(phase.gates) and phase.on_fail == "stop"
