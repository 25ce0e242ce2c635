"""Explanations: gates that read what the phase does not find out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_dag_factory.checks.leaks import training_of
from mlops_dag_factory.errors import Finding, suggestion
from mlops_dag_factory.spec.base import is_template
from mlops_dag_factory.spec.explain import ExplainSpec
from mlops_provider.expressions import Expression
from mlops_provider.runtime.explanation.gate_names import FAIRNESS_METRICS, gate_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mlops_dag_factory.checks.scope import Scope

_READ = "a gate reads fairness.<column>.<metric>, its .low and .high, importance.<column>, parameters.<name>"
_ENDS = ("low", "high")


def check_explained_columns(scope: Scope) -> Iterator[Finding]:
    """Yield names in the gates of explanations that cannot be there when they are judged."""
    for name, phase in scope.workflow.phases.items():
        if not isinstance(phase, ExplainSpec) or isinstance(phase.gates, str) or is_template(phase.sensitive):
            continue
        training = training_of(scope, phase.model)
        features = training.features if training and not is_template(training.features) else []
        for index, gate in enumerate(phase.gates):
            for dotted in () if is_template(gate) else Expression.parse(gate).names():
                wrong = _wrong(dotted, phase.sensitive, features)
                if wrong is not None:
                    message, hint = wrong
                    yield Finding(loc=("phases", name, "gates", index), code="gate", message=message, hint=hint)


def _wrong(dotted: str, sensitive: list[str], features: list[str]) -> tuple[str, str] | None:
    """Give message and hint; None where nothing can be said against the name."""
    root, *rest = dotted.split(".")
    if root == "parameters":
        return None
    if root == "importance" and len(rest) == 1:
        return _unknown(rest[0], features, "features") if features else None
    if root != "fairness" or not (len(rest) == 2 or (len(rest) == 3 and rest[2] in _ENDS)):  # noqa: PLR2004 (column, metric, end)
        return f"'{dotted}' is not a value of an explanation", _READ
    column, metric, *_ = rest
    if metric not in FAIRNESS_METRICS:
        known = ", ".join(FAIRNESS_METRICS)
        return f"there is no metric of fairness '{metric}'", f"{suggestion(metric, FAIRNESS_METRICS)}known: {known}"
    return _unknown(column, sensitive, "sensitive")


def _unknown(column: str, among: Iterable[str], field: str) -> tuple[str, str] | None:
    names = [gate_name(one) for one in among if not is_template(one)]
    if column in names:
        return None
    hint = f"{suggestion(column, names)}{field}: {', '.join(names) or 'none'}"
    return f"'{column}' is not among the '{field}' columns", hint
