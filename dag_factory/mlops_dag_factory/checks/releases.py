"""Deployments and releases: of registered models, after an evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_dag_factory.checks.targets import packaged_model
from mlops_dag_factory.errors import Finding
from mlops_dag_factory.spec.deploy import DeploySpec
from mlops_dag_factory.spec.evaluate import EvaluateSpec
from mlops_dag_factory.spec.release import ReleaseSpec
from mlops_dag_factory.spec.train import TrainSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.checks.scope import Scope
    from mlops_dag_factory.spec import PhaseSpec


def check_registered(scope: Scope) -> Iterator[Finding]:
    """Yield deployments and releases of a model that no phase registered."""
    for name, phase in scope.workflow.phases.items():
        if isinstance(phase, DeploySpec | ReleaseSpec):
            source = packaged_model(phase, scope)
            if isinstance(scope.workflow.phases.get(source), TrainSpec):
                message = f"'{source}' is a fitted model, not a registered version"
                hint = f"add a phase {{type: register, model: {source}}} and refer to it"
                yield Finding(loc=("phases", name, "model"), code="unregistered", message=message, hint=hint)


def check_gated(scope: Scope) -> Iterator[Finding]:
    """Yield deployments and releases before which no model evaluation runs."""
    if not scope.whole:
        return
    for name, phase in scope.workflow.phases.items():
        if isinstance(phase, DeploySpec | ReleaseSpec):
            before = scope.ancestors(name)
            if not any(_always_evaluates(scope.workflow.phases[other]) for other in before):
                message = f"no evaluation comes before this {phase.type}: any model would pass"
                hint = "add a phase of type evaluate with gates, and let this phase or the registration come after it"
                yield Finding(
                    loc=("phases", name), code="ungated", message=message, hint=hint, severity="warning", at="key"
                )


def _always_evaluates(phase: PhaseSpec) -> bool:
    return isinstance(phase, EvaluateSpec) and not phase.when
