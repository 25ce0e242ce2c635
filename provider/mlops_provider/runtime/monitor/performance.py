"""What is measured on the window: performance on labelled rows, and how the service answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ExpressionError
from mlops_provider.expressions import Expression
from mlops_provider.runtime.answers import Answers
from mlops_provider.runtime.metrics import measurable, usual
from mlops_provider.runtime.monitor.service import SERVICE, judge
from mlops_provider.verdicts import RuleResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import pandas as pd

    from mlops_provider.runtime.monitor.findings import Findings
    from mlops_provider.runtime.monitor.look import Look
    from mlops_provider.store.models import Signature

CHECKED = ("rows", "labelled", "missing_share", "drift_share", "prediction_drift")
_TWO = 2


def performance(signature: Signature, rows: pd.DataFrame, gates: Iterable[str] = ()) -> dict[str, float]:
    """Give the usual metrics, and those that gates name, of rows that have prediction and truth.

    Those that are not defined for the rows are left out.
    The log has the probability of the predicted class: enough for log_loss and roc_auc of two classes, not of more.
    """
    asked = {name for gate in gates for name in Expression.parse(gate).names()} | set(usual(signature.kind))
    names = [name for name in _measured(signature) if name in asked]
    if not names:
        return {}
    kind: Any = {"integer": "int64", "float": "float64", "boolean": "bool"}.get(signature.target_type, "object")
    truth, predicted = (rows[name].astype(kind).to_numpy() for name in ("truth", "prediction"))
    probabilities = _probabilities(signature, rows, predicted)
    return Answers(signature=signature, truth=truth, predicted=predicted, probabilities=probabilities).measure(
        names, {}
    )


def require_known(gates: Iterable[str], signature: Signature) -> None:
    """Raise ExpressionError for a gate on something that the monitor never measures."""
    names = sorted({*_measured(signature), *SERVICE, *CHECKED})
    for gate in gates:
        for name in Expression.parse(gate).names():
            if name not in names:
                raise ExpressionError(
                    gate, f"the monitor does not measure '{name}'", hint=f"it measures: {', '.join(names)}"
                )


def _measured(signature: Signature) -> list[str]:
    """Give the metrics that the log is enough for: of single rows, with probabilities where there are two classes."""
    return measurable(signature, probabilities=len(signature.classes) == _TWO)


def _probabilities(
    signature: Signature, rows: pd.DataFrame, predicted: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any] | None:
    import numpy as np

    given = rows["probability"].astype(float).to_numpy()
    if len(signature.classes) != _TWO or np.isnan(given).any():
        return None
    positive = np.where(predicted == signature.classes[1], given, 1 - given)
    return np.column_stack([1 - positive, positive])


def check_performance(look: Look, found: Findings) -> None:
    """Measure the labelled rows and judge the gates; too few labels make them not applicable."""
    config = look.config
    labelled = look.answered.dropna(subset=["truth", "prediction"])
    found.metrics["labelled"] = float(len(labelled))
    enough = len(labelled) >= config.policy.minimum_rows
    if enough:
        found.metrics |= performance(look.signature, labelled, config.checks.performance)
    for gate in config.checks.performance:
        if enough:
            found.rules.append(judge(gate, found.metrics))
        else:
            why = f"{len(labelled)} labels have arrived, {config.policy.minimum_rows} are needed"
            found.rules.append(RuleResult(rule=gate, result="not_applicable", why=why))
