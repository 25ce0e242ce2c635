"""Leaks: test rows that reach training, and evaluations on rows that the model has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_dag_factory.errors import Finding
from mlops_dag_factory.spec.base import Reference
from mlops_dag_factory.spec.data import SplitSpec, TransformSpec, ValidateSpec
from mlops_dag_factory.spec.evaluate import EvaluateSpec
from mlops_dag_factory.spec.explain import ExplainSpec
from mlops_dag_factory.spec.label import LabelSpec
from mlops_dag_factory.spec.predict import PredictSpec
from mlops_dag_factory.spec.register import RegisterSpec
from mlops_dag_factory.spec.train import TrainSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.checks.scope import Scope

Part = tuple[str, str]
"""A phase and one of its outputs."""


def check_trained_on_test_rows(scope: Scope) -> Iterator[Finding]:
    """Yield trainings whose data is, or is made from, the test part of a split."""
    for name, phase in scope.workflow.phases.items():
        if not isinstance(phase, TrainSpec):
            continue
        for split, output in _sources(scope, phase.data):
            if output == "test" and isinstance(scope.workflow.phases[split], SplitSpec):
                message = f"trains on '{split}.test', the rows that are kept for evaluation"
                hint = f"train on {split}.train"
                yield Finding(loc=("phases", name, "data"), code="leak", message=message, hint=hint)


def check_evaluated_on_training_rows(scope: Scope) -> Iterator[Finding]:
    """Yield evaluations and explanations whose rows the model was trained on."""
    for name, phase in scope.workflow.phases.items():
        if not isinstance(phase, EvaluateSpec | ExplainSpec):
            continue
        train = training_of(scope, phase.model)
        if train is None:
            continue
        trained, judged = _sources(scope, train.data), _sources(scope, phase.data)
        if any(output == "test" for _, output in trained):
            continue  # the training is the mistake
        if trained & judged or judged & _before(scope, trained) or trained & _before(scope, judged):
            measured = isinstance(phase, EvaluateSpec)
            looks = "its metrics will look too good" if measured else "it would explain what it knows by heart"
            message = f"'{phase.data}' has rows that the model was trained on: {looks}"
            hint = f"divide the data with a split: train on its train part, {phase.type} on its test part"
            yield Finding(
                loc=("phases", name, "data"), code="seen-rows", message=message, hint=hint, severity="warning"
            )


def training_of(scope: Scope, reference: str) -> TrainSpec | None:
    """Give the phase that trains the model that a reference means; None where it is not in the workflow."""
    phase = scope.workflow.phases.get(Reference.parse(reference).phase)
    if isinstance(phase, RegisterSpec):
        phase = scope.workflow.phases.get(Reference.parse(phase.model).phase)
    return phase if isinstance(phase, TrainSpec) else None


def _sources(scope: Scope, start: str) -> set[Part]:
    """Give where rows come from: back through what changes or scores them to a split, an ingest or anything else."""
    found: set[Part] = set()
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        text = waiting.pop()
        reference = Reference.parse(text)
        name, output = reference.phase, reference.output
        phase = scope.workflow.phases.get(name)
        if phase is None or text in seen:
            continue
        seen.add(text)
        if isinstance(phase, ValidateSpec | TransformSpec | LabelSpec | PredictSpec):
            waiting.extend([phase.data] if isinstance(phase.data, str) else phase.data)
        else:
            found.add((name, output or phase.default_output or ""))
    return found


def _before(scope: Scope, parts: set[Part]) -> set[Part]:
    """Give the sources that the splits among the parts divide, and those before them."""
    found: set[Part] = set()
    waiting = set(parts)
    while waiting:
        split = scope.workflow.phases.get(waiting.pop()[0])
        new = (_sources(scope, split.data) if isinstance(split, SplitSpec) else set()) - found
        found |= new
        waiting |= new
    return found
